import type { GuardMessages } from '@cl-server/service-kit';

/** Messages of the auth service when it refuses a request; existing clients compare some of them. */
export const GUARD_MESSAGES: GuardMessages = {
  missing: 'Not authenticated',
  faults: {
    expired: 'Could not validate credentials',
    payload: 'Could not validate credentials',
    invalid: 'Could not validate credentials',
  },
  permission: () => "The user doesn't have enough privileges",
  admin: "The user doesn't have enough privileges",
};
