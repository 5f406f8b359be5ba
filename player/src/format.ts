/** `4:05`, `1:02:09`: whole seconds as a person reads them. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`
}

/** `3.5 Mbit/s`, `850 kbit/s`. */
export function bitrateText(bps: number): string {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`
}

/** `4.2 s`. */
export function secondsText(seconds: number): string {
  return `${seconds.toFixed(1)} s`
}
