/** Conditions on the current role, in SQL. */

/** Whether it is a superuser. */
export const IS_SUPERUSER = '(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)';

/** Whether it may act as another, and give things to it. `role`: an expression for its name or its oid. A member may lack that since 16. */
export function maySetRole(role: string): string {
  return `pg_has_role(${role}, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)`;
}

/** For FROM: the parameters `s` that a function `p` sets and the role may not. Whoever makes the function again must be allowed to. */
export const FORBIDDEN_SETTINGS = `unnest(p.proconfig) AS given (assignment) JOIN pg_settings AS s ON s.name = split_part(given.assignment, '=', 1)
  AND s.context = 'superuser' AND NOT has_parameter_privilege(s.name, 'SET')`;
