/** How secrets that others gave us (keys to their buckets) are kept in the store. What comes of it is text, safe for a JSON document. */
export type SecretKeeper = {
  /** The secret as it is to be stored, in at most 2,048 characters. */
  seal(secret: string): Promise<string>
  /** What was sealed; what was stored before there was a key, as it is. @throws AppError where it was sealed with another key */
  open(stored: string): Promise<string>
}

/** Secrets kept as they are, as the store's other secrets; its file is its owner's alone. */
export const plainSecrets: SecretKeeper = { seal: async (secret) => secret, open: async (stored) => stored }
