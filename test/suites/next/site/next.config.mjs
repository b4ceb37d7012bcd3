// Next.js reads the default export of this file.
// oxlint-disable-next-line import/no-default-export
export default {
  headers: async () => [{ source: '/told/:name', headers: [{ key: 'X-Config', value: '1' }] }],
  redirects: async () => [{ source: '/old/:path*', destination: '/told/:path*', permanent: true }],
  rewrites: async () => [{ source: '/also/:name', destination: '/told/:name' }],
}
