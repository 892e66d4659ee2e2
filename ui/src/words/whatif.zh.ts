/** What can be changed in a what-if, and how a run is told. */
import type { whatifEn } from "./whatif.en";

export const whatifZh: Record<keyof typeof whatifEn, string> = {
  "whatif.unit": "增加一辆救护车于",
  "whatif.unit_none": "不增加",
  "whatif.unit_at": "{name}（现有 {n} 辆）",
  "whatif.plan": "更改配时方案于",
  "whatif.plan_none": "全部方案不变",
  "whatif.plan_greens": "{junction} 的绿灯与相位差 [秒]",
  "whatif.plan_offset": "相位差",
  "whatif.plan_note": "此时两个情景都按方案运行：大脑不会遵循方案。",
  "whatif.as_is": "现状由谁控制",
  "whatif.would_be": "变化后由谁控制",
  "whatif.calls_note": "呼叫较少：半小时或更长才能看出增加救护车的作用。",
  "whatif.is_close": "{street} 封闭",
  "whatif.is_demand": "需求 × {n}",
  "whatif.is_unit": "{name} 增加一辆救护车",
  "whatif.is_plan": "{junction} 更改方案",
  "whatif.is_control": "{would} 代替 {as}",
  "whatif.is_nothing": "无变化",
  "whatif.is_led": "均由 {arm} 控制",
  "whatif.counted": "每次运行平均计入 {n} 辆车和 {calls} 个呼叫",
  "whatif.run_of": "{minutes} 分钟，种子 {seeds}",
  "whatif.at": "此处有变化",
  "measure.response_s": "等待救护车 [秒]",
};
