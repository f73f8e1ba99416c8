import type { LinkPlan } from "./address-plan.ts";

/** Name of a link's proxy: `a>b/alink0` in run 7 is `fl7-a-b-alink0`. */
export function proxyNameOf({ id, listen }: LinkPlan): string {
  const [, number = ""] = listen.address.split(".");
  return `${proxyPrefix(Number(number))}${id.replaceAll(/[^a-z0-9]/g, "-")}`;
}

/** With it begin the names of all proxies of the cluster of this number. */
export function proxyPrefix(number: number): string {
  return `fl${number}-`;
}
