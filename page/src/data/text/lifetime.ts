// Says times in words.

const UNITS: [string, number][] = [
  ["year", 525_600],
  ["day", 1_440],
  ["hour", 60],
  ["minute", 1],
];

/** 1,500 minutes are "1 day 1 hour". The two largest units are enough, and it says where they are not exact. */
export function lifetime(minutes: number): string {
  if (minutes < 1) return `${minutes} minutes`;
  let rest = minutes;
  const words: string[] = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    if (count && words.length < 2) {
      words.push(counted(count, unit));
      rest -= count * length;
    }
  }
  return (rest ? "about " : "") + words.join(" ");
}

/** "1 app", "2 apps", "1,000 apps". */
export function counted(count: number, thing: string, things = `${thing}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? thing : things}`;
}

const AT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const AT_SECONDS = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** A time in the person's own zone. */
export function localTime(iso: string, seconds = false): string {
  const time = new Date(iso);
  return Number.isNaN(time.valueOf()) ? "at an unknown time" : (seconds ? AT_SECONDS : AT).format(time);
}
