/**
 * Buffer methods that Node has had since version 0.x and documents nowhere, missing from its types.
 * They read and write a range without the option parsing of `toString` and `write`.
 */
interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> {
  latin1Slice(start?: number, end?: number): string
  utf8Slice(start?: number, end?: number): string
  latin1Write(text: string, offset?: number, length?: number): number
  utf8Write(text: string, offset?: number, length?: number): number
}
