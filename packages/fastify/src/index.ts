/** Public names of @fastcgi/fastify. */
export {}
