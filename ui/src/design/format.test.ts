import { expect, it } from 'vitest';
import { bytes, count, duration, magnitude, percent, rate } from './format';

it('formats', () => {
  expect([0, 1023, 1536, 98_000_000, 5 * 2 ** 40].map(bytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '93.5 MiB', '5.0 TiB']);
  expect([0, 0.0004, 0.0123, 0.9994, 1.5, 61].map(duration)).toEqual(['0 ms', '0.4 ms', '12 ms', '999 ms', '1.50 s', '61.0 s']);
  expect(count(1234567.8)).toBe('1,234,568');
  expect([999, 1234, 134515008, 7.2e9].map(magnitude)).toEqual(['999', '1.2k', '135M', '7.2B']);
  expect([0, 1.25, 99.96, 123.4].map(rate)).toEqual(['0', '1.3', '100.0', '123']);
  expect(percent(0.756)).toBe('76 %');
});
