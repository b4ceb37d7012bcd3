// The status in Prometheus' text format, version 0.0.4.
import type { Status } from './status.ts'

/** The status as text that Prometheus reads. */
export function prometheusText(status: Status): string {
  const { requests, connections, bytes, memory, loopDelay, pool, workers } = status
  const lines: string[] = []
  const one = (name: string, type: 'counter' | 'gauge', help: string, value: number): void => {
    lines.push(`# HELP fastcgi_${name} ${help}`, `# TYPE fastcgi_${name} ${type}`)
    lines.push(`fastcgi_${name} ${value}`)
  }
  const each = (
    name: string,
    help: string,
    value: (worker: Status['workers'][number]) => number,
  ) => {
    lines.push(`# HELP fastcgi_worker_${name} ${help}`, `# TYPE fastcgi_worker_${name} gauge`)
    for (const worker of workers) {
      lines.push(
        `fastcgi_worker_${name}{pid="${worker.pid}",state="${worker.state}"} ${value(worker)}`,
      )
    }
  }
  one('uptime_seconds', 'gauge', 'Time since the start.', status.uptime)
  one('requests_total', 'counter', 'Requests received.', requests.accepted)
  one('requests_active', 'gauge', 'Requests running now.', requests.active)
  one('requests_aborted_total', 'counter', 'Requests whose client went away.', requests.aborted)
  one('requests_failed_total', 'counter', 'Requests the app gave up.', requests.failed)
  one('requests_refused_total', 'counter', 'Requests refused by a limit.', requests.refused)
  one('requests_slow_total', 'counter', 'Requests over the threshold.', requests.slow)
  one('connections_total', 'counter', 'Connections accepted.', connections.accepted)
  one('connections_open', 'gauge', 'Connections open now.', connections.open)
  one('connections_waiting', 'gauge', 'Connections that wait for a worker.', connections.waiting)
  one('read_bytes_total', 'counter', 'Bytes read from web servers.', bytes.read)
  one('written_bytes_total', 'counter', 'Bytes written to web servers.', bytes.written)
  one('resident_memory_bytes', 'gauge', 'Memory of all processes.', memory.rss)
  one('heap_used_bytes', 'gauge', 'Heap in use in all processes.', memory.heapUsed)
  one('event_loop_delay_seconds', 'gauge', 'Mean delay, worst process.', loopDelay.mean / 1000)
  one('event_loop_delay_max_seconds', 'gauge', 'Longest delay.', loopDelay.max / 1000)
  if (pool) {
    one('workers', 'gauge', 'Workers there should be.', pool.workers)
    one('workers_ready', 'gauge', 'Workers whose app is loaded.', pool.ready)
    one('workers_crashed_total', 'counter', 'Workers that ended unasked.', pool.crashed)
    one('workers_hung_total', 'counter', 'Workers killed because they hung.', pool.hung)
    one('workers_recycled_total', 'counter', 'Workers replaced by a limit.', pool.recycled)
    one('reloads_total', 'counter', 'Reloads.', pool.reloads)
  }
  each('requests', 'Requests of a process.', ({ requests }) => requests)
  each('resident_memory_bytes', 'Memory of a process.', ({ rss }) => rss)
  return `${lines.join('\n')}\n`
}
