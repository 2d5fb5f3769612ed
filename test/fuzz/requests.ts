/** Requests made from the endpoint tables: of valid shapes, of mutated ones, with hostile values and headers. */
import { type AnyEndpoint, jsonSchemaOf } from '@cl-server/contract';

/** A generator of pseudo-random numbers (mulberry32): the same seed gives the same requests. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface FuzzRequest {
  readonly endpoint: AnyEndpoint;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface Field {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
}

const HOSTILE = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1',
    '3',
    '999999',
    '9007199254740993',
    '-9223372036854775808',
    '1e309',
    'NaN',
    'Infinity',
    '0x10',
  ],
  ...[
    'null',
    'undefined',
    'true',
    '[]',
    '{}',
    '[[[[',
    '{"a":',
    '{"__proto__":{"x":1}}',
    '__proto__',
    'constructor',
    'toString',
  ],
  ...[
    '../../etc/passwd',
    '..',
    '.',
    '/',
    '\\',
    'a/b',
    '%',
    '%00',
    '%2e%2e%2f',
    'a\0b',
    '\u202e\u200b',
    '\ud800',
    '👨‍👩‍👧',
    'ä'.repeat(300),
  ],
  ...["' OR 1=1 --", '"; DROP TABLE jobs; --', '<script>alert(1)</script>', '\r\nx: y', '*', '%_', 'a'.repeat(3_000)],
];

export class RequestMaker {
  readonly #random: () => number;
  /** Names of existing things by parameter: `job_id` → ids of jobs, including those of other users. */
  readonly #known: Readonly<Record<string, readonly string[]>>;
  readonly #tokens: readonly (string | undefined)[];

  constructor(
    next: () => number,
    known: Readonly<Record<string, readonly string[]>>,
    tokens: readonly (string | undefined)[],
  ) {
    this.#random = next;
    this.#known = known;
    this.#tokens = tokens;
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  #good(name: string, { type, enum: words, minimum = 0, maximum = 100 }: Field): string {
    const known = this.#known[name];
    if (known && this.#chance(0.8)) return this.#pick(known);
    if (words) return String(this.#pick(words));
    if (type === 'integer')
      return String(Math.floor(minimum + this.#random() * (Math.min(maximum, minimum + 100) - minimum)));
    if (type === 'number') return String(minimum + this.#random() * (maximum - minimum));
    if (type === 'boolean') return this.#pick(['true', 'false']);
    return this.#pick(['text', 'a label', 'sunset', '5', 'ä']);
  }

  #value(name: string, field: Field): string {
    return this.#chance(0.6) ? this.#good(name, field) : this.#pick(HOSTILE);
  }

  #fields(schema: AnyEndpoint['form']): [string, string][] {
    if (!schema) return [];
    const { properties = {}, required = [] } = jsonSchemaOf(schema, 'input') as {
      properties?: Record<string, Field>;
      required?: string[];
    };
    const fields = Object.entries(properties)
      .filter(([name]) => this.#chance(required.includes(name) ? 0.95 : 0.4))
      .map(([name, field]): [string, string] => [name, this.#value(name, field)]);
    if (this.#chance(0.1)) fields.push([this.#pick(HOSTILE), this.#pick(HOSTILE)]);
    if (fields.length > 0 && this.#chance(0.05)) fields.push(this.#pick(fields));
    return fields;
  }

  #json(schema: NonNullable<AnyEndpoint['json']>): string {
    if (this.#chance(0.3)) return this.#pick(HOSTILE);
    const build = (shape: Record<string, unknown>, depth: number): unknown => {
      if (depth > 4 || this.#chance(0.15))
        return this.#pick([null, true, -1, 1e300, '', [], {}, ...HOSTILE.slice(0, 5)]);
      if (shape.type === 'array')
        return Array.from({ length: Math.floor(this.#random() * 4) }, () =>
          build((shape.items ?? {}) as typeof shape, depth + 1),
        );
      if (shape.type === 'object')
        return Object.fromEntries(
          Object.entries((shape.properties ?? {}) as Record<string, typeof shape>)
            .filter(() => this.#chance(0.8))
            .map(([name, inner]) => [name, build(inner, depth + 1)]),
        );
      if (shape.type === 'integer' || shape.type === 'number') return Math.floor(this.#random() * 10);
      return this.#pick(['hash', 'clip_text_embedding', 'text', ...HOSTILE]);
    };
    return JSON.stringify(build(jsonSchemaOf(schema, 'input') as Record<string, unknown>, 0));
  }

  #body(endpoint: AnyEndpoint): { type: string | undefined; body: Buffer } {
    if (endpoint.method === 'GET') return { type: undefined, body: Buffer.alloc(0) };
    if (endpoint.json)
      return {
        type: this.#chance(0.9)
          ? 'application/json'
          : this.#pick(['text/plain', 'application/x-www-form-urlencoded', 'x']),
        body: Buffer.from(this.#json(endpoint.json)),
      };
    const fields = this.#fields(endpoint.form);
    if (endpoint.files ? this.#chance(0.3) : this.#chance(0.7))
      return {
        type: this.#chance(0.95) ? 'application/x-www-form-urlencoded' : 'application/json',
        body: Buffer.from(fields.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')),
      };
    const clean = (text: string): string => text.replace(/[\r\n"]/g, '_');
    const parts = fields.map(
      ([name, value]) => `--x\r\ncontent-disposition: form-data; name="${clean(name)}"\r\n\r\n${value}\r\n`,
    );
    for (const name of Object.keys(endpoint.files ?? {}))
      if (this.#chance(0.7))
        parts.push(
          `--x\r\ncontent-disposition: form-data; name="${name}"; filename="${clean(this.#pick(HOSTILE))}"\r\n\r\n${this.#pick(['', 'GIF89a', 'abc', '%PDF-1.4', ...HOSTILE])}${this.#random()}\r\n`,
        );
    const whole = Buffer.from(`${parts.join('')}--x--\r\n`);
    return {
      type: this.#chance(0.95)
        ? 'multipart/form-data; boundary=x'
        : this.#pick(['multipart/form-data', `multipart/form-data; boundary=${'y'.repeat(5_000)}`]),
      body: this.#chance(0.1) ? whole.subarray(0, Math.floor(whole.length * this.#random())) : whole,
    };
  }

  #headers(): Record<string, string> {
    const token = this.#pick(this.#tokens);
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const hostile = {
      range: ['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=0-0,2-3', 'x'],
      'if-none-match': ['*', '"x"', ','.repeat(5_000)],
      'if-modified-since': ['x', 'Thu, 01 Jan 1970 00:00:00 GMT'],
      'if-range': ['"', 'x'],
      'x-request-id': ['a', 'x'.repeat(1_000), '<b>'],
      'last-event-id': ['x'.repeat(2_000)],
      'idempotency-key': ['a', 'x'.repeat(500), 'k'],
      origin: ['https://evil.example', 'null'],
      host: ['evil.example', 'localhost', ''],
      authorization: ['Bearer', 'Bearer a.b.c', `Bearer ${'a'.repeat(9_000)}`, 'Basic YTpi'],
      accept: ['x/y'],
      cookie: ['a'.repeat(4_000)],
    } as const;
    for (const [name, values] of Object.entries(hostile)) if (this.#chance(0.03)) headers[name] = this.#pick(values);
    return headers;
  }

  make(endpoint: AnyEndpoint): FuzzRequest {
    const path = this.#pick([endpoint.path, ...(endpoint.aliases ?? [])]).replace(
      /\{(\w+)\*?\}/g,
      // An empty parameter would turn the path into that of another endpoint, such as the list.
      (_all, name: string) => encode(this.#value(name, { type: 'integer', minimum: 900_000 })) || '%20',
    );
    const query = this.#fields(endpoint.query)
      // A waiting answer reveals no more than one that does not wait.
      .filter(([name]) => name !== 'wait')
      .map(([name, value]) => `${encode(name)}=${encode(value)}`);
    const { type, body } = this.#body(endpoint);
    return {
      endpoint,
      method: endpoint.method,
      path: query.length > 0 ? `${path}?${query.join('&')}` : path,
      headers: {
        ...(type !== undefined && { 'content-type': type }),
        ...((body.length > 0 || endpoint.method !== 'GET') && { 'content-length': String(body.length) }),
        ...this.#headers(),
      },
      body,
    };
  }
}

/** A lone half of a surrogate pair has no encoding. */
const encode = (text: string): string => encodeURIComponent(Buffer.from(text).toString());
