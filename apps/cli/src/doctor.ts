import type { ClServer } from '@cl-server/client';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { serviceAt } from './explain.js';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly message: string;
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function finding(check: string, look: () => Promise<string>): Promise<Finding> {
  return look().then(
    (message) => ({ check, ok: true, message }),
    (error: unknown) => ({ check, ok: false, message: reason(error) }),
  );
}

async function service(name: 'auth' | 'store' | 'compute', platform: ClServer, context: Context): Promise<string> {
  const { readiness, url } = await platform[name].system.health({ ...context.call, timeoutMs: 5_000 });
  const found = await serviceAt(url, context.signal);
  if (found !== name) throw new Error(`${url} is ${found ? `the ${found} service` : 'another server'}, not ${name}`);
  const failing = Object.entries(readiness.checks).flatMap(([what, { ok, message }]) =>
    ok ? [] : [`${what}: ${message ?? 'not available'}`],
  );
  if (readiness.status !== 'ready') throw new Error(`${url} answers, but ${failing.join('; ') || 'is not ready'}`);
  return url;
}

async function login(platform: ClServer, context: Context): Promise<string> {
  const user = await platform.auth.users.me(context.call);
  return `${user.username}${user.is_admin ? ', admin' : ''}: ${user.permissions.join(' ') || 'no permissions'}`;
}

async function broker(platform: ClServer): Promise<string> {
  if (!platform.mqtt) return 'not configured; job updates are received over HTTP';
  await platform.mqtt.connect();
  return String(platform.urls.mqtt).replace(/\/\/[^@/]*@/, '//');
}

async function workers(platform: ClServer, context: Context): Promise<string> {
  const { num_workers, capabilities } = await platform.compute.workers.capabilities(context.call);
  if (num_workers === 0) throw new Error('no worker is running: jobs will wait');
  return `${num_workers}, for ${Object.keys(capabilities).sort().join(' ')}`;
}

/** Checks everything that this program needs. @throws CliError if a check failed */
export async function doctor(context: Context): Promise<void> {
  const platform = await context.platform();
  const findings = await Promise.all([
    finding('auth', () => service('auth', platform, context)),
    finding('store', () => service('store', platform, context)),
    finding('compute', () => service('compute', platform, context)),
    finding('login', () =>
      login(platform, context).catch(async (error: unknown) => {
        throw await context.explained(error);
      }),
    ),
    finding('mqtt', () => broker(platform)),
    finding('workers', () => workers(platform, context)),
  ]);
  await context.out.many(findings, {
    columns: [
      { title: '', value: ({ ok }) => (ok ? '✓' : '✗') },
      { title: 'Check', value: ({ check }) => check },
      { title: 'Finding', value: ({ message }) => message, wraps: true },
    ],
    id: ({ check, ok }) => `${check} ${ok ? 'ok' : 'failed'}`,
  });
  const failed = findings.filter(({ ok }) => !ok);
  if (failed.length > 0)
    throw new CliError(`Checks failed: ${failed.map(({ check }) => check).join(', ')}`, EXIT.failed);
}
