/** A small file that only its owner may read (mode 0600), written whole or not at all; `undefined` where there is none yet. */
export type SecretFile = {
  read(): Promise<string | undefined>
  write(text: string): Promise<void>
}
