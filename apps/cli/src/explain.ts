/** Replaces an error by one that names its likely cause, if more is known than the answer of a server says. */
import type { ClServer } from '@cl-server/client';
import { CliError, EXIT } from './exit-codes.js';

type ServiceName = 'auth' | 'store' | 'compute';

/** The parts of an SDK error that tell where it came from; the SDK need not be loaded to read them. */
interface ServerError extends Error {
  readonly status?: number;
  readonly code?: unknown;
  readonly method?: string;
  readonly url?: string;
}

/** The ends of the URLs to which a user name and a password are sent. */
const LOGINS = ['/auth/token', '/auth/sessions'];

/** Whether a server refused the token, or there was none. A wrong password at a login is something else. */
export function isRefusedToken(error: unknown): error is Error {
  if (!(error instanceof Error) || error instanceof CliError) return false;
  const { status, code, method, url } = error as ServerError;
  const isLogin = method === 'POST' && LOGINS.some((end) => url?.endsWith(end));
  return code === 'not_logged_in' || (status === 401 && !isLogin);
}

/** How the answers of `GET /` differ. */
const ROOTS: Readonly<Record<ServiceName, RegExp>> = {
  auth: /authentication service/i,
  store: /store/i,
  compute: /task server/i,
};

/** Returns the name of the service that answers at an address; undefined for any other server. */
export async function serviceAt(url: string, signal: AbortSignal): Promise<ServiceName | undefined> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(5_000)]);
    const answer = (await (await fetch(`${url.replace(/\/$/, '')}/`, { signal: limit })).json()) as Record<
      string,
      unknown
    >;
    const text = String(answer.service ?? answer.message);
    return (['auth', 'store', 'compute'] as const).find((name) => ROOTS[name].test(text));
  } catch {
    return undefined;
  }
}

/** A path that a service does not know, or an answer that no service gives, comes from the wrong server. */
const isFromElsewhere = ({ status, code, message }: ServerError): boolean =>
  code === 'bad_answer' ||
  (typeof code === 'string' && /^http_[34]\d\d$/.test(code)) ||
  (status === 404 && message === 'Not Found');

/** @returns an error that names the wrong address, or undefined if the address is right */
async function wrongAddress(
  error: ServerError,
  { urls }: ClServer,
  signal: AbortSignal,
): Promise<CliError | undefined> {
  const asked = (['auth', 'store', 'compute'] as const).filter((name) => error.url?.startsWith(urls[name]));
  // Behind a gateway, one address may begin with another: the longest was called.
  const url = asked.map((name) => urls[name]).toSorted((a, b) => b.length - a.length)[0];
  const names = asked.filter((name) => urls[name] === url);
  // One address for all services is that of a gateway.
  if (url === undefined || names.length === 3) return undefined;
  const found = await serviceAt(url, signal);
  const wanted = names.find((name) => name !== found);
  if (wanted === undefined) return undefined;
  const what = found
    ? `is the ${found} service, not ${wanted}`
    : `answers, but it is not the ${wanted} service of a CL Server`;
  return new CliError(
    `${url} ${what}`,
    EXIT.notFound,
    `Correct --${wanted}-url or ${wanted.toUpperCase()}_URL, or log in with the address of the server: cl-client login <server>`,
    'wrong_address',
  );
}

export async function explained(error: unknown, platform: ClServer | undefined, signal: AbortSignal): Promise<unknown> {
  if (!(error instanceof Error) || error instanceof CliError || signal.aborted || !platform) return error;
  return isFromElsewhere(error) ? ((await wrongAddress(error, platform, signal)) ?? error) : error;
}
