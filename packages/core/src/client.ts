/** Public names of @fastcgi/core/client. */
export {}
