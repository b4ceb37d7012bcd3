/** The application that Passenger starts: its loader makes `listen` take a socket of Passenger's, whatever it is told. */
import { createServer } from 'node:http'
import { rawListener } from './handlers.ts'

// Set by the option --otel of the runner, and handed on by Passenger.
if (process.env['BENCH_OTEL'] === '1') await import('./otel.ts')

createServer(rawListener).listen('passenger')
