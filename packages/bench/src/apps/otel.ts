/** What an app with OpenTelemetry loads first: the http instrumentation, a batching processor, and an exporter that drops. */
import { createRequire } from 'node:module'
import { trace } from '@opentelemetry/api'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'

const exporter = {
  export(_spans: unknown, done: (result: { code: number }) => void): void {
    done({ code: 0 })
  },
  shutdown: (): Promise<void> => Promise.resolve(),
}

trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] }),
)
new HttpInstrumentation().enable()
// It patches at the first require.
createRequire(import.meta.url)('http')
