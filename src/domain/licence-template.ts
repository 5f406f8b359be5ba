/** What a template for a licence server may name, as `{kid}`. */
export const licenceVariables = [
  'kid',
  'kidHex',
  'kidBase64',
  'keyId',
  'accountId',
  'assetId',
  'token',
  'subject',
  'sessionId',
  'address',
] as const
/** One of them. */
export type LicenceVariable = (typeof licenceVariables)[number]

/** What the variables stand for; of what is not known, nothing. */
export type LicenceValues = Readonly<Partial<Record<LicenceVariable, string>>>

const VARIABLE = /\{([A-Za-z][A-Za-z0-9]*)\}/g

/** The text of a template; `encode` makes each value fit where it comes to stand. */
export function expandTemplate(
  template: string,
  values: LicenceValues,
  encode: (value: string) => string = (value) => value,
): string {
  return template.replace(VARIABLE, (whole, name: string) => (isVariable(name) ? encode(values[name] ?? '') : whole))
}

/**
 * The URL at which players get a licence, or we do: what a template gives for a key, each value percent-encoded. A pure function: manifests are
 * written with it, where no more than the key and the asset are known.
 */
export function licenceUrl(template: string, values: LicenceValues): string {
  return expandTemplate(template, values, encodeURIComponent)
}

/** The variables that follow from a KID, a GUID. */
export function kidValues(kid: string): Pick<LicenceValues, 'kid' | 'kidHex' | 'kidBase64'> {
  const hex = kid.replaceAll('-', '').toLowerCase()
  return { kid: kid.toLowerCase(), kidHex: hex, kidBase64: Buffer.from(hex, 'hex').toString('base64') }
}

/** What is wrong with a template; `undefined`: nothing. */
export function templateProblem(template: string): string | undefined {
  for (const [whole, name = ''] of template.matchAll(VARIABLE)) {
    if (!isVariable(name)) return `names ${whole}; known are ${licenceVariables.map((one) => `{${one}}`).join(', ')}`
  }
  return undefined
}

/** What is wrong with the template of a URL. No part of who is asked comes out of a request. */
export function urlTemplateProblem(template: string): string | undefined {
  const head = /^https?:\/\/[^/?#]+/i.exec(template)?.[0]
  if (head === undefined) return 'must be an http or https URL'
  if (/[{}@\s]/.test(head)) return 'may have variables behind the host alone, and no password'
  if (!URL.canParse(template.replace(VARIABLE, 'x'))) return 'must be an http or https URL'
  return templateProblem(template)
}

function isVariable(name: string): name is LicenceVariable {
  return licenceVariables.some((one) => one === name)
}
