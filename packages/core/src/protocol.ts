/** Public names of @fastcgi/core/protocol: the pure codec. */
export {}
