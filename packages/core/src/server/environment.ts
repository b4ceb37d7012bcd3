// NODE_ENV: unset it means development to most frameworks, and under a web server it usually is unset. Express would
// then show stack traces to the public.

/**
 * Sets NODE_ENV to `production` where it is unset, before the app is loaded; an app that is loaded already has read it.
 *
 * @param appIsLoaded the app was handed over instead of a function that loads it
 * @returns what the log should say
 */
export function settleNodeEnv(
  env: Record<string, string | undefined>,
  appIsLoaded: boolean,
): string | undefined {
  if (env.NODE_ENV !== undefined && env.NODE_ENV !== '') return undefined
  if (appIsLoaded) {
    return 'warning: NODE_ENV is not set and the app is loaded already, so it may run in development mode: set NODE_ENV=production, or give serve() a function that loads the app'
  }
  env.NODE_ENV = 'production'
  return 'NODE_ENV was not set: it is production now (option env)'
}
