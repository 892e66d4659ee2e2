/** Plans by hand, advice, and who is signed in. */
export const commandsEn = {
  "act.plan": "Manual plan",
  "plan.title": "Manual plan: {junction}",
  "plan.greens": "Green of each stage [s], in this order; empty leaves a stage out",
  "plan.note": "The stages are shown one after the other with these greens, over and over, until the plan expires or is ended. Minimums, intergreens and the maximum red hold all the same.",
  "keys.plan": "Run a plan by hand at the junction",
  "keys.advice": "Accept what is advised at the junction",
  "advice.title": "Advice",
  "advice.gain": "(expected gain {gain} {unit})",
  "advice.accept": "Accept for {n} s",
  "advice.none": "Nothing is advised at this moment.",
  "account.title": "Who is signed in",
  "account.roles": "Roles",
  "account.districts": "Districts",
  "account.everywhere": "everywhere",
  "account.until": "Signed in until",
  "account.leave": "Sign out",
};
