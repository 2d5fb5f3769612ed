import { createHmac, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RevocationSource } from '../src/tokens/revocations.js';
import { TokenError, type TokenFault, TokenVerifier } from '../src/tokens/verifier.js';
import { b64, forge, HeldKeys, type Json, signedBy, type TestKey, testKey } from './token-forge.js';

const NOW = 1_800_000_000;
let key: TestKey;
let stranger: TestKey;
let keys: HeldKeys;
let now = NOW * 1000;
const minVersions = new Map<string, number>();
const ended = new Set<string>();
let known = true;
const audienceSince = NOW * 1000 - 60_000;
const revocations: RevocationSource = {
  minVersion: (id) => minVersions.get(id) ?? 0,
  hasEnded: (id) => ended.has(id),
  isKnown: () => known,
  audienceSince: () => audienceSince,
};
let verifier: TokenVerifier;

beforeAll(async () => {
  [key, stranger] = await Promise.all([testKey(), testKey()]);
  keys = new HeldKeys().hold(key);
  verifier = new TokenVerifier({ keys, revocations, now: () => now });
});

const claims = (more: Json = {}): Json => ({
  id: '7',
  sub: '7',
  username: 'ann',
  permissions: ['media_store_read'],
  is_admin: false,
  iat: NOW - 10,
  exp: NOW + 600,
  jti: 'j',
  iss: 'cl-server',
  aud: 'cl-server',
  ver: 3,
  ...more,
});
const header = (more: Json = {}): Json => ({ alg: 'ES256', typ: 'JWT', kid: key.kid, ...more });
const ours = (text: string): string => signedBy(key.privateKey)(text);
const signed = (claimed: Json = {}, head: Json = {}): string => forge(header(head), claims(claimed), ours);
const without = (name: string): string => {
  const { [name]: _, ...rest } = claims();
  return forge(header(), rest, ours);
};
const noKid = (): string => forge({ alg: 'ES256', typ: 'JWT' }, claims(), ours);

/** A signature in DER where raw r‖s is due: its first byte alone says that it is another format. */
const der = (): string => forge(header(), claims(), signedBy(key.privateKey, 'sha256', 'der'));

const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const zeros = (bytes: number) => (): string => Buffer.alloc(bytes).toString('base64url');
/** The order of the curve: as r or s it is out of range. */
const ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');

const HOSTILE: Readonly<Record<string, [TokenFault, () => string]>> = {
  'alg none, no signature': ['invalid', () => forge(header({ alg: 'none' }), claims(), () => '')],
  'alg None in other letters': ['invalid', () => forge(header({ alg: 'nOnE' }), claims(), () => '')],
  'alg none, our signature': ['invalid', () => signed({}, { alg: 'none' })],
  'HS256 with the public key as secret': [
    'invalid',
    () =>
      forge(header({ alg: 'HS256' }), claims(), (text) =>
        createHmac('sha256', key.publicPem).update(text).digest('base64url'),
      ),
  ],
  'ES384 by a P-384 key': ['invalid', () => forge(header({ alg: 'ES384' }), claims(), signedBy(p384, 'sha384'))],
  'ES256 claimed, P-384 key': ['invalid', () => forge(header(), claims(), signedBy(p384))],
  RS256: ['invalid', () => forge(header({ alg: 'RS256' }), claims(), (t) => signedBy(rsa)(t))],
  'alg absent': ['invalid', () => forge({ typ: 'JWT', kid: key.kid }, claims(), ours)],
  'alg as a list': ['invalid', () => signed({}, { alg: ['ES256'] })],
  'zero r and s': ['invalid', () => forge(header(), claims(), zeros(64))],
  'r and s of the curve’s order': [
    'invalid',
    () => forge(header(), claims(), () => Buffer.concat([ORDER, ORDER]).toString('base64url')),
  ],
  'signature in DER': ['invalid', der],
  'signature cut short': ['invalid', () => signed().slice(0, -4)],
  'signature with bytes more': ['invalid', () => `${signed()}AAAA`],
  'no signature': ['invalid', () => `${signed().split('.').slice(0, 2).join('.')}.`],
  'stranger’s key under our kid': ['invalid', () => forge(header(), claims(), signedBy(stranger.privateKey))],
  'stranger’s key under its kid': [
    'invalid',
    () => forge(header({ kid: stranger.kid }), claims(), signedBy(stranger.privateKey)),
  ],
  'claims changed after signing': [
    'invalid',
    () => {
      const [head, , signature] = signed().split('.');
      return [head, b64(claims({ is_admin: true })), signature].join('.');
    },
  ],
  'header changed after signing': [
    'invalid',
    () => {
      const [, body, signature] = signed().split('.');
      return [b64(header({ extra: 1 })), body, signature].join('.');
    },
  ],
  'kid missing': ['invalid', noKid],
  'kid empty': ['invalid', () => signed({}, { kid: '' })],
  'kid unknown': ['invalid', () => signed({}, { kid: 'A'.repeat(43) })],
  'kid a number': ['invalid', () => signed({}, { kid: 1 })],
  'kid twice, a stranger’s last': [
    'invalid',
    () => forge(`{"alg":"ES256","typ":"JWT","kid":"${key.kid}","kid":"${stranger.kid}"}`, claims(), ours),
  ],
  'kid as a path': ['invalid', () => signed({}, { kid: '../../../../dev/null' })],
  'kid as SQL': ['invalid', () => signed({}, { kid: "' or 1=1 --" })],
  'kid __proto__': ['invalid', () => signed({}, { kid: '__proto__' })],
  'jku header': ['invalid', () => signed({}, { jku: 'https://attacker.example/keys' })],
  'jwk header with its own key': [
    'invalid',
    () => forge(header({ jwk: stranger.jwk }), claims(), signedBy(stranger.privateKey)),
  ],
  'x5u header': ['invalid', () => signed({}, { x5u: 'https://attacker.example/cert' })],
  'x5c header': ['invalid', () => signed({}, { x5c: ['AAAA'] })],
  'crit header': ['invalid', () => signed({}, { crit: ['exp'] })],
  'crit header, b64 off': ['invalid', () => signed({}, { crit: ['b64'], b64: false })],
  'zip header': ['invalid', () => signed({}, { zip: 'DEF' })],
  'typ missing': ['invalid', () => forge({ alg: 'ES256', kid: key.kid }, claims(), ours)],
  'typ of another kind of token': ['invalid', () => signed({}, { typ: 'refresh+jwt' })],
  'expired an hour ago': ['expired', () => signed({ exp: NOW - 3600 })],
  'expired in this very second': ['expired', () => signed({ exp: NOW })],
  'exp zero': ['expired', () => signed({ exp: 0 })],
  'exp negative': ['expired', () => signed({ exp: -1 })],
  'exp missing': ['payload', () => without('exp')],
  'exp null': ['payload', () => signed({ exp: null })],
  'exp a float': ['payload', () => signed({ exp: NOW + 600.5 })],
  'exp a text': ['payload', () => signed({ exp: String(NOW + 600) })],
  'exp huge': ['payload', () => signed({ exp: 1e300 })],
  'exp infinite': [
    'payload',
    () => forge(header(), JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e999'), ours),
  ],
  'nbf in the future': ['invalid', () => signed({ nbf: NOW + 60 })],
  'nbf a text': ['payload', () => signed({ nbf: 'now' })],
  'id a number': ['payload', () => signed({ id: 7 })],
  'id missing': ['payload', () => without('id')],
  'id empty': ['payload', () => signed({ id: '' })],
  'is_admin "true"': ['payload', () => signed({ is_admin: 'true' })],
  'is_admin 1': ['payload', () => signed({ is_admin: 1 })],
  'permissions a text': ['payload', () => signed({ permissions: 'media_store_write' })],
  'permissions of numbers': ['payload', () => signed({ permissions: [1] })],
  'ver negative': ['payload', () => signed({ ver: -1 })],
  'iss missing': ['payload', () => without('iss')],
  'iss of another': ['invalid', () => signed({ iss: 'somebody-else' })],
  'aud missing': ['invalid', () => without('aud')],
  'aud missing, and iat too': [
    'invalid',
    () => {
      const { aud: _, iat: __, ...rest } = claims();
      return forge(header(), rest, ours);
    },
  ],
  'aud of another': ['invalid', () => signed({ aud: 'somebody-else' })],
  'aud a list of others': ['invalid', () => signed({ aud: ['a', 'cl-server '] })],
  'aud an empty list': ['invalid', () => signed({ aud: [] })],
  'aud a number': ['payload', () => signed({ aud: 1 })],
  'aud of another, though issued before tokens had one': ['invalid', () => signed({ aud: 'x', iat: NOW - 3600 })],
  'padding at the signature': ['invalid', () => `${signed()}==`],
  'padding at every part': [
    'invalid',
    () =>
      signed()
        .split('.')
        .map((part) => part + '='.repeat((4 - (part.length % 4)) % 4))
        .join('.'),
  ],
  'stray bits in the last letter of the signature': [
    'invalid',
    () => {
      const token = signed();
      const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      return token.slice(0, -1) + letters[letters.indexOf(token.at(-1) ?? '') + 1];
    },
  ],
  'plain base64 letters': ['invalid', () => `${signed().slice(0, -2)}+/`],
  'a space within': ['invalid', () => signed().replace('.', '. ')],
  'a newline at the end': ['invalid', () => `${signed()}\n`],
  'claims a list': ['invalid', () => forge(header(), '[]', ours)],
  'claims no JSON': ['invalid', () => forge(header(), 'id=7', ours)],
  'claims null': ['invalid', () => forge(header(), 'null', ours)],
  'claims not UTF-8': [
    'invalid',
    () => {
      const text = `${b64(header())}.${Buffer.from(JSON.stringify(claims({ username: '\u00e9' })), 'latin1').toString('base64url')}`;
      return `${text}.${ours(text)}`;
    },
  ],
  'payload not encoded, b64 off without crit': ['invalid', () => signed({}, { b64: false })],
  'two parts': ['invalid', () => 'a.b'],
  'five parts, encrypted': ['invalid', () => 'a.b.c.d.e'],
  empty: ['invalid', () => ''],
  dots: ['invalid', () => '..'],
  'not ASCII': ['invalid', () => 'ä.ö.ü'],
  'a megabyte': ['invalid', () => signed({ padding: 'x'.repeat(1_000_000) })],
};

describe('a hostile token', () => {
  it('there are at least thirty kinds of', () => expect(Object.keys(HOSTILE).length).toBeGreaterThanOrEqual(30));

  it.each(Object.entries(HOSTILE))('%s', async (_name, [fault, make]) => {
    const token = make();
    for (const round of ['first', 'again']) {
      const refusal = await verifier.verify(token).catch((error: unknown) => error);
      expect([round, refusal]).toEqual([round, expect.any(TokenError)]);
      expect((refusal as TokenError).fault).toBe(fault);
    }
  });

  it('asks for no key by a name that cannot be a key’s', async () => {
    keys.asked = [];
    for (const kid of ['../../etc/passwd', '__proto__', '', 'a'.repeat(44)])
      await verifier.verify(signed({}, { kid })).catch(() => undefined);
    expect(keys.asked).toEqual([]);
  });
});

describe('a good token', () => {
  it('gives its claims, without repeats and with what it does not name set to nothing', async () => {
    expect(await verifier.verify(signed())).toEqual(claims());
    const bare = forge(
      header(),
      { id: '7', iss: 'cl-server', aud: ['x', 'cl-server'], exp: NOW + 5, permissions: ['a', 'a'] },
      ours,
    );
    expect(await verifier.verify(bare)).toMatchObject({ is_admin: false, permissions: ['a'], ver: 0 });
  });

  it('seen before is refused at its expiry, and from the moment that its generation is revoked or its session ends', async () => {
    const token = signed({ exp: NOW + 60, id: '8' });
    await verifier.verify(token);
    now = (NOW + 60) * 1000 - 1;
    await verifier.verify(token);
    now = (NOW + 60) * 1000;
    await expect(verifier.verify(token)).rejects.toMatchObject({ fault: 'expired' });
    now = NOW * 1000;
    minVersions.set('8', 4);
    await expect(verifier.verify(signed({ exp: NOW + 61, id: '8' }))).rejects.toMatchObject({ fault: 'invalid' });
    await expect(verifier.verify(token)).rejects.toMatchObject({ fault: 'invalid' });
    expect(await verifier.verify(signed({ id: '8', ver: 4 }))).toMatchObject({ ver: 4 });
    const ofSession = signed({ sid: 'lasting-session' });
    await verifier.verify(ofSession);
    ended.add('lasting-session');
    await expect(verifier.verify(ofSession)).rejects.toMatchObject({ fault: 'invalid' });
    await expect(verifier.verify(signed({ sid: 7 }))).rejects.toMatchObject({ fault: 'payload' });
  });

  it('without an audience is good until its end, where it was issued before tokens named one', async () => {
    const { aud: _, ...old } = claims({ iat: NOW - 3600 });
    const token = forge(header(), old, ours);
    expect(await verifier.verify(token)).toEqual(old);
    // An auth service of an earlier release names no such moment.
    const unknowing = new TokenVerifier({
      keys,
      revocations: { ...revocations, audienceSince: () => undefined },
      now: () => now,
    });
    expect(await unknowing.verify(without('aud'))).toMatchObject({ id: '7' });
  });

  it('is neither good nor bad while nobody knows what was revoked, also one seen before', async () => {
    const token = signed({ id: '9' });
    await verifier.verify(token);
    known = false;
    await expect(verifier.verify(token)).rejects.toMatchObject({ fault: 'unready' });
    known = true;
    await verifier.verify(token);
  });

  it('is verified once, and again after keys were dropped', async () => {
    const second = await testKey();
    const held = new HeldKeys().hold(key).hold(second);
    const fresh = new TokenVerifier({ keys: held, now: () => now });
    const token = signed();
    await fresh.verify(token);
    await fresh.verify(token);
    expect(held.asked).toHaveLength(1);
    held.drop(second);
    await fresh.verify(token);
    expect(held.asked).toHaveLength(2);
    held.drop(key);
    await expect(fresh.verify(token)).rejects.toMatchObject({ fault: 'invalid' });
  });

  it('is forgotten when others crowd it out, and still verified', async () => {
    const held = new HeldKeys().hold(key);
    const small = new TokenVerifier({ keys: held, now: () => now, cacheSize: 2 });
    const tokens = ['a', 'b', 'c'].map((jti) => signed({ jti }));
    for (const token of [...tokens, ...tokens]) await small.verify(token);
    expect(held.asked).toHaveLength(6);
  });
});
