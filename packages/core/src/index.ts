/** Public names of @fastcgi/core. */
export {}
