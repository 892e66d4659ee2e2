/** 手动方案、建议与登录者。 */
import type { commandsEn } from "./commands.en";

export const commandsZh: Record<keyof typeof commandsEn, string> = {
  "act.plan": "手动方案",
  "plan.title": "手动方案：{junction}",
  "plan.greens": "各阶段绿灯时间 [秒]，按此顺序；留空则跳过该阶段",
  "plan.note": "各阶段按这些绿灯时间依次循环显示，直至方案到期或被结束。最小绿、绿间隔与红灯上限始终有效。",
  "keys.plan": "在该路口运行手动方案",
  "keys.advice": "采纳该路口的建议",
  "advice.title": "建议",
  "advice.gain": "（预期收益 {gain} {unit}）",
  "advice.accept": "采纳 {n} 秒",
  "advice.none": "此刻没有建议。",
  "account.title": "登录者",
  "account.roles": "角色",
  "account.districts": "分区",
  "account.everywhere": "全部",
  "account.until": "登录有效至",
  "account.leave": "退出登录",
};
