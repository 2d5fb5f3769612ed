/** Health of the service, the workers that are online and what they can do. */
import { COMPUTE_API, type ComputeRoot, getCapabilities, getComputeRoot, listWorkers } from '@cl-server/contract';
import type { GuestMode, WorkerViews } from '@cl-server/job-routes';
import type { App } from '@cl-server/service-kit';

export interface InfoOptions {
  readonly guestMode: GuestMode;
  readonly workers: WorkerViews;
  readonly noAuth: boolean;
}

export function serveInfo(app: App, { guestMode, workers, noAuth }: InfoOptions): void {
  app.handle(getComputeRoot, async (): Promise<ComputeRoot> => {
    const open = noAuth || (await guestMode.isOn());
    return {
      status: 'healthy',
      // Existing clients expect this name.
      service: 'Task Server',
      version: COMPUTE_API.version,
      guestMode: open ? 'on' : 'off',
      auth_required: !open,
    };
  });
  app.handle(getCapabilities, () => workers.capabilities());
  app.handle(listWorkers, async () => ({ items: [...(await workers.list())] }));
}
