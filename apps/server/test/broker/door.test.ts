/** The order in which newcomers are read. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { Budget, Budgets } from '../../src/broker/budget.js';
import type { Connection } from '../../src/broker/connections.js';
import { Door } from '../../src/broker/door.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index++) await turn();
};

let clock = 0;
const limits = { newcomers: 100, newcomersAtOnce: 100, newcomersWaiting: 100, patience: 500 };
const budgets = new Budgets();
let door: Door;
afterEach(() => door.close());

class FakeSocket extends Duplex {
  override _read(): void {}
  says(): void {
    this.push('x');
  }
  leaves(): void {
    this.push(null);
  }
}

function comes(address: string, opened: string[]): FakeSocket {
  const socket = new FakeSocket();
  const connection = { socket: socket as unknown as Socket, address, spending: budgets.of(address) } as Connection;
  door.enter(connection, () => opened.push(address));
  return socket;
}

it('goes round the addresses, and passes over those who have left', async () => {
  // Empty, and never filled up again while the clock stands.
  const budget = new Budget({ perSecond: 1_000, burst: 1 }, () => clock);
  door = new Door({ limits, budget });
  budget.spend(2);
  const opened: string[] = [];
  const crowd = Array.from({ length: 6 }, () => comes('a', opened));
  for (const socket of crowd) socket.says();
  await turns(4);
  const other = comes('b', opened);
  other.says();
  await turns(4);
  expect(opened).toEqual([]);
  for (const socket of crowd.slice(0, 4)) socket.leaves();
  clock += 10_000;
  await new Promise((resolve) => setTimeout(resolve, 20));
  await turns(4);
  expect(opened.toSorted()).toEqual(['a', 'a', 'b']);
  expect(opened.indexOf('b')).toBeLessThan(2);
  expect(crowd.map(({ destroyed }) => destroyed)).toEqual([true, true, true, true, false, false]);
});
