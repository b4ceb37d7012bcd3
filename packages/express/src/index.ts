/** Public names of @fastcgi/express. */
export {}
