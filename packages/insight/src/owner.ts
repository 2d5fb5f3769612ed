/** Owner of the jobs of insights. It is no user, so that the jobs appear in no user's list. */
export const INSIGHT_OWNER = 'm-insight';
