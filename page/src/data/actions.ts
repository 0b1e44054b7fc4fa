// What a person can do to an app, and the tool for each.

import type { About } from "../link/link.ts";
import { type App, isConfidential, isRotating } from "./apps.ts";

export type Act = "create" | "edit" | "clone" | "delete" | "start" | "complete" | "cancel" | "deliver";

export interface Action {
  tool: string;
  /** On the button that leads here. */
  label: string;
  title: string;
  /** On the button that does it. */
  verb: string;
  done: string;
  intro: string;
  dangerous?: true;
  /** Whether its form is only for a call that was refused. */
  rare?: true;
}

export const ACTIONS: Record<Act, Action> = {
  create: {
    tool: "create_app",
    label: "New app",
    title: "New app",
    verb: "Create the app",
    done: "The app is created.",
    intro: "Only the type is needed. It cannot be changed later.",
  },
  edit: {
    tool: "update_app",
    label: "Edit",
    title: "Edit the app",
    verb: "Change the app",
    done: "The app is changed.",
    intro: "Nothing is sent before you have seen the difference.",
  },
  clone: {
    tool: "clone_app",
    label: "Clone",
    title: "Clone the app",
    verb: "Create the clone",
    done: "The clone is created.",
    intro: "The new app gets the settings of this one, and what you change here.",
  },
  delete: {
    tool: "delete_app",
    label: "Delete",
    title: "Delete the app",
    verb: "Delete the app",
    done: "The app is deleted.",
    intro:
      "This cannot be undone. Its client id and secrets stop working at once; tokens already issued may stay valid until they expire.",
    dangerous: true,
  },
  start: {
    tool: "start_secret_rotation",
    label: "Start a rotation",
    title: "Start a rotation",
    verb: "Start the rotation",
    done: "The rotation is under way: both secrets work.",
    intro: "The app gets a next secret beside the current one. Both work until the rotation ends.",
  },
  complete: {
    tool: "complete_secret_rotation",
    label: "Complete",
    title: "Complete the rotation",
    verb: "Complete the rotation",
    done: "The rotation is complete: only the new secret works.",
    intro:
      "The current secret stops working at once. Do it when the next secret is in use wherever the app runs.",
    dangerous: true,
    rare: true,
  },
  cancel: {
    tool: "cancel_secret_rotation",
    label: "Drop the next secret",
    title: "Drop the next secret",
    verb: "Drop the next secret",
    done: "The next secret is dropped; the current one stays.",
    intro: "Whatever uses the next secret already stops working at once. The current secret stays.",
    dangerous: true,
  },
  deliver: {
    tool: "deliver_client_secret",
    label: "Deliver a secret",
    title: "Deliver a secret",
    verb: "Deliver the secret",
    done: "The secret is delivered.",
    intro:
      "The destination gets the secret in place of the one that it has. Nobody sees it on the way.",
  },
};

const NEEDS: Partial<Record<Act, (app: App) => boolean>> = {
  start: (app) => isConfidential(app) && !isRotating(app),
  complete: isRotating,
  cancel: isRotating,
  deliver: isConfidential,
};

export function offers({ tools }: About, tool: string): boolean {
  return tools.some(({ name }) => name === tool);
}

/** Whether the server offers an action, and the app is in the state for it. */
export function isPossible(about: About, act: Act, app?: App): boolean {
  if (act === "deliver" && about.destinations?.length === 0) return false;
  return offers(about, ACTIONS[act].tool) && (app ? (NEEDS[act]?.(app) ?? true) : true);
}
