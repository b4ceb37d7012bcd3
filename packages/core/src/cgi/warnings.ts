// Words for configurations that leave the mount open. They name the line to change, and hold nothing a client sent.

import { WebServer } from './web-server.ts'

/** Something about the web server's configuration that the administrator should know. Log each code once. */
export interface HeadWarning {
  /** Stable and machine-readable: `CGI_MOUNT_…`, `CGI_TARGET_…`. */
  readonly code: string
  readonly message: string
}

/** Why no mount was taken from SCRIPT_NAME. */
export type MountDoubt =
  | 'whole-path'
  | 'follows-path'
  | 'file-name'
  | 'collision'
  | 'other-script'
  | 'stripped'
  | 'twice'

const option =
  "or say where the app lives: by a variable FASTCGI_MOUNT that the web server sets ('/app', or '/' for the whole site), or by the option mount"

const doubts: Readonly<Record<MountDoubt, string>> = {
  'whole-path':
    'SCRIPT_NAME holds the whole path and PATH_INFO nothing, so the mount is taken as empty',
  'follows-path':
    'SCRIPT_NAME can be any first part of the path a client asks for, so the mount is taken as empty',
  'file-name':
    'SCRIPT_NAME ends in a file name that is not this script, so a client may have chosen it; the mount is taken as empty',
  collision:
    'SCRIPT_NAME ends within a segment of the path (a pattern such as ^(/app)(.*)$ takes /application too), so the mount is taken as empty',
  'other-script':
    'the path was rewritten to a script below the root that is not this one, so the mount is taken as empty',
  twice:
    'PATH_INFO holds the whole path and SCRIPT_NAME its beginning as well, so the mount is taken as empty',
  stripped:
    'PATH_INFO lacks the beginning of the path and SCRIPT_NAME does not hold it, so the mount is taken as empty',
}

/** What to change, by web server; the first that fits. */
const advice: Readonly<
  Record<MountDoubt, readonly (readonly [server: WebServer, change: string])[]>
> = {
  'whole-path': [
    [
      WebServer.Nginx,
      'below "include fastcgi_params;" add: fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME ""; (below a path: fastcgi_split_path_info ^(/app)(/.*)?$; fastcgi_param SCRIPT_NAME $fastcgi_script_name; fastcgi_param PATH_INFO $fastcgi_path_info;)',
    ],
    [
      WebServer.Apache,
      'below ProxyPass add: ProxyFCGISetEnvIf "true" PATH_INFO "%{reqenv:SCRIPT_NAME}" and ProxyFCGISetEnvIf "true" SCRIPT_NAME "" (below a path: ProxyFCGISetEnvIf "true" FASTCGI_MOUNT "/app"); with ScriptAliasMatch or RewriteRule: use ScriptAlias',
    ],
    [
      WebServer.Caddy,
      'in transport fastcgi leave split out, or send every path to the script: rewrite * /app.fcgi{path}',
    ],
    [
      WebServer.HAProxy,
      'in the fcgi-app section add: path-info ^()(/.*)$ (below a path: path-info ^(/app)(/.*)?$)',
    ],
    [WebServer.Other, 'let the server send the path as PATH_INFO'],
  ],
  'follows-path': [
    [
      WebServer.Lighttpd,
      'for "/" => add to fastcgi.server: "fix-root-scriptname" => "enable"; for "/app" => add beside it, with mod_setenv: setenv.add-environment = ( "FASTCGI_MOUNT" => "/app" )',
    ],
    [
      WebServer.Apache,
      'use ProxyPass instead of SetHandler in <Location>, ScriptAlias instead of ScriptAliasMatch or RewriteRule; or add SetEnv FASTCGI_MOUNT /app in <Location /app>',
    ],
    [WebServer.Other, 'let the server send a fixed SCRIPT_NAME'],
  ],
  'file-name': [
    [
      WebServer.Nginx,
      'write the path of the app into fastcgi_split_path_info instead of a pattern for file names',
    ],
    [
      WebServer.HAProxy,
      'write the path of the app into path-info instead of a pattern for file names',
    ],
    [WebServer.Other, 'let the server send a fixed SCRIPT_NAME'],
  ],
  collision: [
    [WebServer.Nginx, 'write: fastcgi_split_path_info ^(/app)(/.*)?$; and: location /app/'],
    [WebServer.Other, 'end the pattern at a slash'],
  ],
  'other-script': [
    [WebServer.Other, 'rewrite to the script that is started, or start that script'],
  ],
  twice: [
    [
      WebServer.Nginx,
      'write: fastcgi_split_path_info ^(/app)(/.*)?$; and: fastcgi_param PATH_INFO $fastcgi_path_info;',
    ],
    [WebServer.Other, 'let the server send in PATH_INFO only what follows SCRIPT_NAME'],
  ],
  stripped: [
    [WebServer.Nginx, 'rewrite takes the prefix away: add fastcgi_param FASTCGI_MOUNT /app;'],
    [
      WebServer.Apache,
      'RewriteRule takes the prefix away: use ScriptAlias or Alias, or add SetEnv FASTCGI_MOUNT /app in <Location /app>',
    ],
    [
      WebServer.Lighttpd,
      'url.rewrite takes the prefix away: add beside it, with mod_setenv: setenv.add-environment = ( "FASTCGI_MOUNT" => "/app" )',
    ],
    [
      WebServer.Caddy,
      'handle_path strips the prefix: in transport fastcgi add env SCRIPT_NAME /app, or use handle',
    ],
    [WebServer.Other, 'let the server keep the prefix'],
  ],
}

const names = ['', 'nginx', 'Apache', 'lighttpd', 'HAProxy', 'Caddy', 'h2o'] as const

/** The warning for a doubt under a web server. */
export function mountWarning(doubt: MountDoubt, server: WebServer): HeadWarning {
  const [named, change] = advice[doubt].find(
    ([name]) => name === server || name === WebServer.Other,
  )!
  const where = names[named]
  return {
    code: 'CGI_MOUNT_' + doubt.toUpperCase().replace('-', '_'),
    message: `${doubts[doubt]}: ${where === '' ? '' : where + ': '}${change}; ${option}`,
  }
}

/** `target: 'normalized'` where the server tells no normalised path. */
export const notNormalized: HeadWarning = {
  code: 'CGI_TARGET_NOT_NORMALIZED',
  message:
    "target: 'normalized' needs the path in SCRIPT_NAME and PATH_INFO, and the web server sent only its script there (FallbackResource, php_fastcgi); the raw path was normalised instead",
}

/** FASTCGI_MOUNT is no path. */
export const declaredBadly: HeadWarning = {
  code: 'CGI_MOUNT_INVALID',
  message:
    'FASTCGI_MOUNT, which the web server sets, must be a path such as /app (no slash at the end) or / for the whole site; it was not looked at',
}

/** FASTCGI_MOUNT is not where the request went. */
export const declaredElsewhere: HeadWarning = {
  code: 'CGI_MOUNT_ELSEWHERE',
  message:
    'a request came for a path outside FASTCGI_MOUNT, which the web server sets: let it send the app only that path and what is below it (/app and /app/..., but not /application)',
}
