/** The pinned pnpm, as npx takes it. */
export declare const PNPM: string
export declare function install(): Promise<boolean>
export declare function build(): Promise<boolean>
