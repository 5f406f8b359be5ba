/**
 * How secrets that others gave us (keys to their buckets) are kept in the store: as text, which opens for the account alone that it
 * was sealed for.
 */
export type SecretKeeper = {
  /** The secret as it is to be stored, in at most 2,048 characters. @throws AppError where it can't be sealed now */
  seal(secret: string, accountId: string): Promise<string>
  /** What was sealed; what was stored before there was a key, as it is. @throws AppError where it can't be opened */
  open(stored: string, accountId: string): Promise<string>
}

/** Secrets kept as they are, as the store's other secrets; its file is its owner's alone. */
export const plainSecrets: SecretKeeper = { seal: async (secret) => secret, open: async (stored) => stored }
