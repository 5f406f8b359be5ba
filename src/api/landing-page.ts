/** What the front page links to. */
export type LandingLinks = { readonly title: string; readonly hlsUrl: string; readonly dashUrl: string }

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

const STYLE = `
:root{color-scheme:dark}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:#0b0d12;color:#e8ebf2;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:640px}
h1{margin:0 0 4px;font-size:28px;letter-spacing:-.02em}
p{margin:0 0 24px;color:#a4adc0}
ul{list-style:none;margin:0;padding:0;display:grid;gap:12px}
a{display:block;padding:16px 18px;border:1px solid #232938;border-radius:14px;background:#141822;color:inherit;
text-decoration:none;overflow-wrap:anywhere}
a:hover,a:focus-visible{border-color:#6ea8ff;outline:none}
a b{display:block;font-weight:600}
a span{color:#a4adc0;font-size:14px}`

function item(href: string, name: string, note: string): string {
  return `<li><a href="${escapeHtml(href)}"><b>${escapeHtml(name)}</b><span>${escapeHtml(note)}</span></a></li>`
}

/** The control listener's front page: where to watch and where to look. `links` is absent while nothing is published. */
export function landingPage(links: LandingLinks | undefined): string {
  const watch = links
    ? [
        item('/player/', `Watch ${links.title}`, 'Opens the player in this browser.'),
        item(links.hlsUrl, 'HLS', links.hlsUrl),
        item(links.dashUrl, 'DASH', links.dashUrl),
      ]
    : [item('/player/', 'Player', 'Nothing is published yet; the player takes any HLS or DASH address.')]
  const look = [
    item('/docs', 'API', 'Channels, programs, locators and all the rest, described call by call.'),
    item('/readyz', 'Readiness', 'Whether every part is up, check by check.'),
    item('/healthz', 'Health', 'Whether the process is alive.'),
    item('/metrics', 'Metrics', 'For Prometheus.'),
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headend</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><main><h1>Headend</h1><p>Live streaming ingest server and origin.</p><ul>
${[...watch, ...look].join('\n')}
</ul></main></body></html>
`
}
