/**
 * Draws which room imports which into ARCHITECTURE.md, as dependency-cruiser sees it: node scripts/rooms.js [--check].
 * An import that another import already implies (a → c beside a → b → c) is left out of the picture, not of the table.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { cruise } from 'dependency-cruiser';

const root = path.resolve(import.meta.dirname, '..');
const FILE = path.join(root, 'ARCHITECTURE.md');
const BEGIN = '<!-- rooms: written by scripts/rooms.js -->';
const END = '<!-- /rooms -->';

const roomOf = (file) => /^(?:packages|services|apps)\/[^/]+(?=\/(?:src|bin)\/)/.exec(file)?.[0];

/** The rooms that each room imports, read from the source files. */
async function importsOfRooms() {
  const { options } = createRequire(import.meta.url)('../.dependency-cruiser.cjs');
  const { output } = await cruise(['packages', 'services', 'apps'], { ...options, baseDir: root });
  const rooms = new Map();
  for (const { source, dependencies } of output.modules) {
    const from = roomOf(source);
    if (from === undefined) continue;
    const imports = rooms.get(from) ?? new Set();
    rooms.set(from, imports);
    for (const { resolved } of dependencies) {
      const to = roomOf(resolved);
      if (to !== undefined && to !== from) imports.add(to);
    }
  }
  return rooms;
}

function reachable(rooms, from, seen = new Set()) {
  for (const to of rooms.get(from) ?? [])
    if (!seen.has(to)) {
      seen.add(to);
      reachable(rooms, to, seen);
    }
  return seen;
}

/** The imports of a room that none of its other imports implies. */
const direct = (rooms, from) => {
  const all = [...(rooms.get(from) ?? [])];
  return all.filter((to) => !all.some((other) => other !== to && reachable(rooms, other).has(to))).toSorted();
};

/** The largest number of rooms below a room: rooms without imports are on layer 0. */
const layerOf = (rooms, room) => Math.max(-1, ...[...rooms.get(room)].map((to) => layerOf(rooms, to))) + 1;

function drawing(rooms) {
  const node = (room) => room.replace(/\W/g, '_');
  const names = [...rooms.keys()].toSorted();
  const ordered = names.toSorted((a, b) => layerOf(rooms, b) - layerOf(rooms, a));
  return [
    '```mermaid',
    'flowchart TD',
    ...ordered.map((room) => `  ${node(room)}["${room}"]`),
    ...ordered.flatMap((from) => direct(rooms, from).map((to) => `  ${node(from)} --> ${node(to)}`)),
    '```',
    '',
    '| room | imports |',
    '| --- | --- |',
    ...ordered.map((room) => `| ${room} | ${[...rooms.get(room)].toSorted().join(', ') || 'nothing of the project'} |`),
  ].join('\n');
}

const text = fs.readFileSync(FILE, 'utf8');
const [before, rest] = text.split(BEGIN);
const after = rest?.split(END)[1];
if (after === undefined) throw new Error(`ARCHITECTURE.md lacks the lines ${BEGIN} and ${END}`);
const wanted = `${before}${BEGIN}\n${drawing(await importsOfRooms())}\n${END}${after}`;
if (!process.argv.includes('--check')) fs.writeFileSync(FILE, wanted);
else if (text !== wanted) {
  console.error('The drawing of the rooms in ARCHITECTURE.md is out of date: run "node scripts/rooms.js".');
  process.exitCode = 1;
}
