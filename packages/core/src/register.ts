/** @fastcgi/core/register: turns the `listen()` of an app that is not to be changed into FastCGI. */
export {}
