/** Benchmarks; not published. */
export {}
