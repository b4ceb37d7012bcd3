/**
 * `@fastcgi/core/register`: turns the `listen()` of an app that is not to be changed into FastCGI.
 *
 * `node --import @fastcgi/core/register server.js`, or as a `.fcgi`:
 * `require('@fastcgi/core/register'); import('./server.js')`.
 *
 * Taken is the `listen()` of an `http.Server` whose port is FASTCGI_PORT or PORT; where neither is set, the first one on
 * TCP. It is served in the mode that `serve` would find, but for `--listen` and `--gateway`: the arguments are the
 * app's. FASTCGI_LISTEN says where to listen, FASTCGI_GATEWAY=1 asks for the development gateway, FASTCGI_LOG names a
 * log file, FASTCGI_SOCKET_MODE, FASTCGI_SOCKET_OWNER and FASTCGI_SOCKET_GROUP say who may use the socket. Worker
 * threads, cluster workers and child processes are left alone. Upgrade requests arrive as ordinary ones.
 */
import { takeOverListen } from './server/takeover.ts'

takeOverListen()
