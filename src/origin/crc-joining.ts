/** CRC-32 as gzip has it (RFC 1952 §8): the polynomial with its bits reversed, so that 2^31 stands for x^0. */
const POLYNOMIAL = 0xedb88320
const ONE = 0x80000000

/** The CRC-32 of two byte runs put together, from the CRC-32 of each and the length of the second. */
export function joinCrc32(first: number, second: number, secondBytes: number): number {
  return (multiply(powerOfX(secondBytes * 8), first) ^ second) >>> 0
}

/** The product of two polynomials modulo CRC-32's. */
function multiply(a: number, b: number): number {
  let product = 0
  let factor = b
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1
  }
  return product >>> 0
}

/** x to this power modulo CRC-32's polynomial. */
function powerOfX(exponent: number): number {
  let power = ONE
  let square = ONE >>> 1
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square)
    square = multiply(square, square)
  }
  return power
}
