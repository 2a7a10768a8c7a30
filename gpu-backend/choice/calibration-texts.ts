// What a form's vectors are compared on: prose, questions, code, markup, numbers and names in many scripts, a very short text and
// a long one. What matters is that they reach the activations that are hard to round: code and first tokens do.

const SENTENCES = [
  "a",
  "Photosynthesis turns light into chemical energy.",
  "How can I reset my router to factory settings?",
  "The patient was given 5 mg twice a day, after meals.",
  "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: train to the airport at night",
  "passage: The treaty was signed in 1648 and ended a war of thirty years.",
  "Die Bundesregierung beschloss am Mittwoch ein neues Gesetz über Wärmepumpen.",
  "Il pleut sur la ville comme il pleure dans mon cœur.",
  "¿Cuánto cuesta un billete de ida y vuelta a Sevilla?",
  "Il gatto dorme sul divano mentre fuori nevica.",
  "Waar kan ik mijn fiets laten repareren?",
  "Katten sitter på bordet och tittar ut genom fönstret.",
  "Wszystkie szczęśliwe rodziny są do siebie podobne.",
  "Yarın sabah erkenden yola çıkacağız.",
  "Все счастливые семьи похожи друг на друга.",
  "今天天气很好，我们去公园散步吧。",
  "吾輩は猫である。名前はまだ無い。",
  "오늘 회의는 오후 세 시에 시작합니다.",
  "كان الطقس جميلا في ذلك اليوم",
  "मुझे हिन्दी में एक कविता लिखनी है।",
  "Hôm nay trời đẹp quá, chúng ta đi dạo nhé.",
  "for (let i = 0; i < n; i++) { sum += a[i]; }",
  "def main():\n    print('hello')\n\nif __name__ == '__main__':\n    main()\n",
  "import os\nimport sys\n\nimport numpy as np\n",
  "SELECT name, count(*) FROM orders WHERE paid GROUP BY name HAVING count(*) > 3;",
  '{"id": 17, "tags": ["new", null], "price": 12.5, "stock": {"Berlin": 3}}',
  "<table><tr><td>1</td><td>2</td></tr></table>",
  "# Install\n\n```sh\nnpm ci && npm test\n```\n",
  "https://example.org/a/b?page=2&sort=name#top",
  "0x1f600 3.14159265 2026-11-30T06:15:00Z v1.2.3-rc.4",
  "🙂🙂 ok 🇩🇪",
  "  \n\t  \n",
];

export const CALIBRATION_TEXTS: readonly string[] = [...SENTENCES, SENTENCES.slice(1).join(" ")];
