/** That the service is there, and which workers are. */
import { COMPUTE_API, getCapabilities, getComputeRoot, listWorkers } from '@cl-server/contract';
import type { GuestMode, LiveWorkers } from '@cl-server/job-routes';
import type { App } from '@cl-server/service-kit';

export interface InfoOptions {
  readonly guestMode: GuestMode;
  readonly workers: LiveWorkers;
  readonly noAuth: boolean;
}

export function serveInfo(app: App, { guestMode, workers, noAuth }: InfoOptions): void {
  app.handle(getComputeRoot, async () => {
    const open = noAuth || (await guestMode.isOn());
    return {
      status: 'healthy' as const,
      service: COMPUTE_API.title,
      version: COMPUTE_API.version,
      guestMode: open ? ('on' as const) : ('off' as const),
      auth_required: !open,
    };
  });
  app.handle(getCapabilities, () => workers.capabilities());
  app.handle(listWorkers, () => ({ items: [...workers.list()] }));
}
