// A Nest app, on Express or on Fastify, as its users write it; decorators are called, since plain JavaScript has none.
import 'reflect-metadata'
import * as common from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FileInterceptor } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { Readable } from 'node:stream'
import { interval, map, take } from 'rxjs'

/** `@decorators` above a method, `parameters` before its parameters. */
function on(target, name, decorators, parameters = []) {
  const { prototype } = target
  for (const [at, decorate] of parameters.entries()) decorate(prototype, name, at)
  for (const decorate of [...decorators].reverse()) {
    decorate(prototype, name, Object.getOwnPropertyDescriptor(prototype, name))
  }
}

class Service {
  greet(name) {
    return { greeting: `Hello, ${name}` }
  }
}
common.Injectable()(Service)

class Guard {
  canActivate(context) {
    return context.switchToHttp().getRequest().headers.authorization === 'Bearer right'
  }
}
common.Injectable()(Guard)

class Wrap {
  intercept(_context, next) {
    return next.handle().pipe(map((data) => ({ data })))
  }
}
common.Injectable()(Wrap)

class Cats {
  constructor(service) {
    this.service = service
  }
  told(request) {
    const { method, url, originalUrl, ip, hostname, protocol } = request
    return { method, url, originalUrl, ip, hostname, protocol }
  }
  greet(name, shout) {
    return this.service.greet(shout ? name.toUpperCase() : name)
  }
  create(body) {
    return { created: body }
  }
  number(value) {
    return { value }
  }
  secret() {
    return 'secret'
  }
  wrapped() {
    return { a: 1 }
  }
  missing() {
    throw new common.NotFoundException('no such cat')
  }
  broken() {
    throw new Error('broken')
  }
  async later() {
    await new Promise((resolve) => setImmediate(resolve))
    throw new common.HttpException({ reason: 'teapot' }, 418)
  }
  moved() {}
  file() {
    const content = Readable.from([Buffer.from('one '), Buffer.from('two '), Buffer.from('three')])
    return new common.StreamableFile(content, { type: 'text/plain', disposition: 'attachment' })
  }
  events() {
    return interval(1).pipe(
      take(3),
      map((at) => ({ id: String(at), data: { at } })),
    )
  }
  raw(response) {
    const own = response.raw ?? response
    own.setHeader('X-Own', '1')
    own.end('own')
  }
  upload(file) {
    return { name: file.originalname, size: file.size }
  }
}
common.Inject(Service)(Cats, undefined, 0)
const { Get, Post, Param, Query, Body, Req, Res, Header, HttpCode } = common
on(Cats, 'told', [Get('told'), Header('X-Cats', 'many')], [Req()])
on(Cats, 'greet', [Get('greet/:name')], [Param('name'), Query('shout')])
on(Cats, 'create', [Post('create'), HttpCode(202)], [Body()])
on(Cats, 'number', [Get('number/:value')], [Param('value', common.ParseIntPipe)])
on(Cats, 'secret', [Get('secret'), common.UseGuards(Guard)])
on(Cats, 'wrapped', [Get('wrapped'), common.UseInterceptors(Wrap)])
on(Cats, 'missing', [Get('missing')])
on(Cats, 'broken', [Get('broken')])
on(Cats, 'later', [Get('later')])
on(Cats, 'moved', [Get('moved'), common.Redirect('/cats/told', 301)])
on(Cats, 'file', [Get('file')])
on(Cats, 'events', [common.Sse('events')])
on(Cats, 'raw', [Get('raw')], [Res()])
on(
  Cats,
  'upload',
  [Post('upload'), common.UseInterceptors(FileInterceptor('file'))],
  [common.UploadedFile()],
)
common.Controller('cats')(Cats)

class AppModule {
  configure(consumer) {
    const seen = (_request, response, next) => {
      response.setHeader('X-Seen', '1')
      next()
    }
    consumer.apply(seen).forRoutes(Cats)
  }
}
common.Module({ controllers: [Cats], providers: [Service] })(AppModule)

/** @param {string | undefined} platform `express` or `fastify` */
export async function makeNestApp(platform) {
  const adapter = platform === 'fastify' ? [new FastifyAdapter()] : []
  const app = await NestFactory.create(AppModule, ...adapter, { logger: false })
  app.enableCors({ origin: 'https://other.test' })
  return app
}
