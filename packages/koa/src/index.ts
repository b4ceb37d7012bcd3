/** Public names of @fastcgi/koa. */
export {}
