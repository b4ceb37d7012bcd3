/** The environment for a program that runs in another folder. */
export declare function environment(): Record<string, string>
