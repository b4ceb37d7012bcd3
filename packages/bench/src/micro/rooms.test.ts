import { expect, test } from 'vitest'
import { HEAD_OPTIONS, LIMITS, loadRooms } from './rooms.ts'

test('the hot functions are found by file in the build, and take what the benchmark gives them', async () => {
  const rooms = await loadRooms(undefined)
  expect(
    rooms.readRequestHead(
      Buffer.from('\x0e\x03REQUEST_METHODGET\x0b\x01REQUEST_URI/'),
      HEAD_OPTIONS,
    ),
  ).toMatchObject({
    method: 'GET',
    url: '/',
  })
  expect(rooms.readParams(Buffer.from('\x01\x01ab'))).toMatchObject({ a: 'b' })
  expect(new rooms.Connection(LIMITS).receive(Buffer.alloc(0))).toEqual([])
  expect(rooms.streamRecordText(6, 1, 'text')).toContain('text')
  expect(rooms.streamRecords(6, 1, Buffer.from('text')).length).toBeGreaterThan(0)
  expect(rooms.endRecordsText(1)).toHaveLength(24)
  expect(rooms.cgiBlock('A: b\r\n\r\n', 200, 'OK')).toBe('A: b\r\nStatus: 200 OK\r\n\r\n')
  expect(typeof rooms.createServer(() => {}).acceptConnection).toBe('function')
})
