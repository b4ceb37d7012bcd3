/** The folder of the repository. */
export declare const root: string
/** The environment for a program that runs in another folder. */
export declare function environment(): Record<string, string>
/** Runs a program to its end; never rejects. */
export declare function run(
  command: string,
  args: readonly string[],
  options?: { readonly show?: 'all' | 'failure' | 'never'; readonly timeout?: number },
): Promise<{ readonly code: number; readonly output: string }>
