export const folder: string
export function writeReference(to: string): Promise<void>
