/**
 * `@fastcgi/core/shared`: `serve` with option `shared`, for scripts that mod_fcgid, lighttpd or h2o start: one process
 * runs the app, and the others, which pass connections on to it, load next to nothing.
 */
export { serve } from './shared/serve-shared.ts'
