/** CGI variables for a request that came in over HTTP (RFC 3875 §4.1), as a web server would send them. */
import { hostAndPort, type Param } from '../client/params.ts'
import {
  addresses,
  basicUser,
  contentLength,
  contentType,
  type Context,
  first,
  headerParams,
  hostName,
  type HttpRequest,
  protocol,
  readContext,
  type Site,
} from './request-context.ts'
import { readTarget, type Refusal } from './request-path.ts'
import type { WebServer } from './web-servers.ts'

/**
 * The variables of a request, in an order like the server's own; or why the server would not pass it on.
 */
export function cgiParams(request: HttpRequest, site: Site): Param[] | Refusal {
  const context = readContext(request, site)
  if ('status' in context) return context
  const build = site.as === undefined ? ownParams : BUILDERS[site.as]
  return build(context, headerParams(context))
}

type Builder = (context: Context, headers: readonly Param[]) => Param[]

const nginxHead: Builder = (context) => {
  const { request, read, site, rules } = context
  const { server, remote } = addresses(context)
  return [
    ['QUERY_STRING', read.query],
    ['REQUEST_METHOD', request.method],
    ['CONTENT_TYPE', first(context, 'content-type') ?? ''],
    ...contentLength(context),
    ['REQUEST_URI', read.target],
    ['DOCUMENT_URI', read.path],
    ['DOCUMENT_ROOT', site.documentRoot],
    ['SERVER_PROTOCOL', protocol(context)],
    ['REQUEST_SCHEME', 'http'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', rules.software],
    ...remote,
    ...server,
    ['SERVER_NAME', site.as === undefined ? hostName(context) || 'localhost' : 'localhost'],
    ['REDIRECT_STATUS', '200'],
  ]
}

/** No server named: mount and rest told apart, and nothing that would have to be guessed from. */
const ownParams: Builder = (context, headers) => [
  ...nginxHead(context, headers),
  ['SCRIPT_FILENAME', context.site.script],
  ['SCRIPT_NAME', context.base],
  ['PATH_INFO', context.rest],
  ...headers,
]

/** Apache's ap_add_common_vars and ap_add_cgi_vars; both modules send these. */
const apacheHead: Builder = (context, headers) => {
  const { request, site, rules } = context
  const { server, remote } = addresses(context)
  return [
    ...headers,
    ...contentType(context),
    ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ['SERVER_SIGNATURE', ''],
    ['SERVER_SOFTWARE', rules.software],
    ['SERVER_NAME', hostName(context) || 'localhost'],
    ...server,
    remote[0]!,
    ['DOCUMENT_ROOT', site.documentRoot],
    ['REQUEST_SCHEME', 'http'],
    ['SERVER_ADMIN', '[no address given]'],
    remote[1]!,
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_PROTOCOL', protocol(context)],
    ['REQUEST_METHOD', request.method],
    ['QUERY_STRING', context.read.query],
    ['REQUEST_URI', context.read.target],
    ...contentLength(context),
  ]
}

const BUILDERS: Readonly<Record<WebServer, Builder>> = {
  // ScriptAlias MOUNT SCRIPT
  'apache-mod_fcgid': (context, headers) => [
    ...apacheHead(context, headers),
    ['CONTEXT_PREFIX', context.site.mount || '/'],
    ['CONTEXT_DOCUMENT_ROOT', context.site.script + (context.site.mount === '' ? '/' : '')],
    ['SCRIPT_FILENAME', context.site.script],
    ['SCRIPT_NAME', context.base],
    ...pathInfo(context, context.site.script),
  ],
  // ProxyPass MOUNT "unix:…|fcgi://localhost"
  'apache-mod_proxy_fcgi': (context, headers) => [
    ...apacheHead(context, headers),
    ['CONTEXT_PREFIX', ''],
    ['CONTEXT_DOCUMENT_ROOT', context.site.documentRoot],
    ['SCRIPT_FILENAME', `proxy:fcgi://localhost${encodePath(context.rest) || '/'}`],
    ['SCRIPT_NAME', context.read.path],
  ],
  // include fastcgi_params; with a mount also fastcgi_split_path_info ^(/app)(.*)$
  nginx: (context, headers) => [
    ...nginxHead(context, headers),
    ['REMOTE_USER', basicUser(context) ?? ''],
    ['SCRIPT_NAME', context.site.mount === '' ? context.read.path : context.base],
    ...(context.site.mount === ''
      ? []
      : ([
          ['SCRIPT_NAME', context.base],
          ['PATH_INFO', context.rest],
        ] as const)),
    ...headers,
  ],
  // fastcgi.server = ( MOUNT => … ), at the root with fix-root-scriptname
  lighttpd: (context, headers) => {
    const { request, read, site, rules } = context
    const { server, remote } = addresses(context)
    const rewritten = encodePath(read.path) + (read.query === '' ? '' : `?${read.query}`)
    return [
      ...contentLength(context),
      ['QUERY_STRING', read.query],
      ['REQUEST_URI', read.target],
      ...(rewritten === read.target ? [] : ([['REDIRECT_URI', rewritten]] as const)),
      ['REDIRECT_STATUS', '200'],
      ['SCRIPT_NAME', context.base],
      ...pathInfo(context, site.documentRoot),
      ['SCRIPT_FILENAME', site.documentRoot + (context.base || '/')],
      ['DOCUMENT_ROOT', site.documentRoot],
      ['REQUEST_METHOD', request.method],
      ['SERVER_PROTOCOL', protocol(context)],
      ['SERVER_SOFTWARE', rules.software],
      ['GATEWAY_INTERFACE', 'CGI/1.1'],
      ['REQUEST_SCHEME', 'http'],
      ...server,
      ['SERVER_NAME', hostName(context)],
      ...remote,
      ...contentType(context),
      ...headers,
    ]
  },
  // fcgi-app with docroot only; with a mount also path-info ^(/app)(/.*)?$
  haproxy: (context, headers) => {
    const { request, read, site, rules } = context
    const authorization = first(context, 'authorization')
    const user = basicUser(context)
    const { remote } = addresses(context)
    const mounted = site.mount !== ''
    return [
      ...headers,
      ...contentType(context),
      ...(authorization === undefined
        ? []
        : ([['AUTH_TYPE', authorization.split(' ')[0]!]] as const)),
      ...(user === undefined ? [] : ([['REMOTE_USER', user]] as const)),
      ['GATEWAY_INTERFACE', 'CGI/1.1'],
      ['DOCUMENT_ROOT', site.documentRoot],
      ['SCRIPT_NAME', mounted ? context.base : read.path],
      ...(mounted && context.rest !== '' ? ([['PATH_INFO', context.rest]] as const) : []),
      ['REQUEST_URI', read.target],
      ...(read.query === '' ? [] : ([['QUERY_STRING', read.query]] as const)),
      ['REQUEST_METHOD', request.method],
      ['SERVER_NAME', first(context, 'host') || request.localAddress],
      ['SERVER_PORT', String(request.localPort)],
      ['SERVER_PROTOCOL', protocol(context)],
      ...remote,
      ['SCRIPT_FILENAME', site.documentRoot + (mounted ? context.base : read.path)],
      ...(mounted && context.rest !== ''
        ? ([['PATH_TRANSLATED', site.documentRoot + context.rest]] as const)
        : []),
      ...contentLength(context),
      ['SERVER_SOFTWARE', rules.software],
    ]
  },
  // handle_path MOUNT* { reverse_proxy … { transport fastcgi } }: the mount is stripped and not told
  caddy: (context, headers) => {
    const { request, read, site, rules } = context
    const { remote } = addresses(context)
    const host = first(context, 'host') ?? ''
    const sent = new Set(headers.map(([name]) => name))
    const form = /^(GET|HEAD|OPTIONS)$/.test(request.method)
      ? ''
      : 'application/x-www-form-urlencoded'
    return [
      ['AUTH_TYPE', ''],
      ...contentLength(context),
      ['CONTENT_TYPE', first(context, 'content-type') ?? form],
      ['GATEWAY_INTERFACE', 'CGI/1.1'],
      ['PATH_INFO', site.mount === '' ? context.rest : cleanPath(context.rest)],
      ['QUERY_STRING', read.query],
      remote[0]!,
      ['REMOTE_HOST', request.remoteAddress],
      remote[1]!,
      ['REMOTE_IDENT', ''],
      ['REMOTE_USER', ''],
      ['REQUEST_METHOD', request.method],
      ['REQUEST_SCHEME', 'http'],
      ['SERVER_NAME', hostAndPort(host).name.replace(/^\[|\]$/g, '')],
      ['SERVER_PORT', hostAndPort(host).port],
      ['SERVER_PROTOCOL', protocol(context)],
      ['SERVER_SOFTWARE', rules.software],
      ['DOCUMENT_ROOT', site.documentRoot],
      ['DOCUMENT_URI', ''],
      ['REQUEST_URI', encodeTarget(read.target)],
      ['SCRIPT_FILENAME', site.documentRoot],
      ['SCRIPT_NAME', ''],
      ...(context.rest === ''
        ? []
        : ([['PATH_TRANSLATED', site.documentRoot + cleanPath(context.rest)]] as const)),
      ...headers.filter(([name]) => !name.startsWith('HTTP_X_FORWARDED_')),
      ...(sent.has('HTTP_USER_AGENT') ? [] : ([['HTTP_USER_AGENT', '']] as const)),
      ...(sent.has('HTTP_HOST') ? [] : ([['HTTP_HOST', '']] as const)),
      ['HTTP_X_FORWARDED_FOR', request.remoteAddress],
      ['HTTP_X_FORWARDED_HOST', host],
      ['HTTP_X_FORWARDED_PROTO', 'http'],
    ]
  },
  // paths: MOUNT: fastcgi.connect: the mount stays in PATH_INFO
  h2o: (context, headers) => {
    const { request, read, rules } = context
    const { server, remote } = addresses(context)
    return [
      ...contentLength(context),
      ['SCRIPT_NAME', ''],
      [
        'PATH_INFO',
        request.target.startsWith('/') ? read.path : `/${request.target.replace(/\?.*$/s, '')}`,
      ],
      ['QUERY_STRING', read.query],
      ...remote,
      ['REQUEST_METHOD', request.method],
      ['REQUEST_URI', read.target],
      ...server,
      ['SERVER_NAME', 'localhost'],
      ['SERVER_PROTOCOL', protocol(context)],
      ['SERVER_SOFTWARE', rules.software],
      ...contentType(context),
      ...headers,
    ]
  },
}

/** PATH_INFO and PATH_TRANSLATED, both absent for the mount itself. */
function pathInfo({ rest }: Context, root: string): Param[] {
  if (rest === '') return []
  return [
    ['PATH_INFO', rest],
    ['PATH_TRANSLATED', root + rest],
  ]
}

/** Percent-encodes what a path cannot hold. */
function encodePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, percent)
}

/** Caddy parses the target and writes it anew. */
function encodeTarget(target: string): string {
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  return (
    path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/%[\]]/g, percent) +
    (mark === -1 ? '' : target.slice(mark))
  )
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

function cleanPath(path: string): string {
  const read = readTarget(encodePath(path), {
    mergeSlashes: true,
    resolveDots: true,
    cutsFragment: false,
    reducesAbsolute: false,
  })
  return 'path' in read ? read.path : path
}
