/**
 * The coding for an answer by RFC 9110 §12.5.3: `gzip` where the client takes it at least as gladly as none; `identity`
 * otherwise, also where the client takes neither (that is allowed, and better than 406).
 */
export function chooseEncoding(acceptEncoding: string | undefined): 'gzip' | 'identity' {
  if (acceptEncoding === undefined) return 'identity'
  let gzip: number | undefined
  let identity: number | undefined
  let any: number | undefined
  for (const item of acceptEncoding.split(',')) {
    const [coding = '', ...parameters] = item.split(';')
    const weight = weightOf(parameters)
    const name = coding.trim().toLowerCase()
    if (name === 'gzip' || name === 'x-gzip') gzip = weight
    else if (name === 'identity') identity = weight
    else if (name === '*') any = weight
  }
  const gzipWeight = gzip ?? any ?? 0
  return gzipWeight > 0 && gzipWeight >= (identity ?? 0) ? 'gzip' : 'identity'
}

function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=')
    if (name.trim().toLowerCase() !== 'q') continue
    const weight = Number(value.trim())
    return weight >= 0 && weight <= 1 ? weight : 0
  }
  return 1
}
