"""Generated tables in Korean: what stands in the cells and sentences of the English ones, put into Korean."""

from pipeline.claims_table import SAYS_COLUMN
from pipeline.document_tables import MEANS, NO_GPU
from pipeline.markdown_blocks import markdown_table, table_of

# A cell that is one of these, or one of these in bold.
CELLS = {
    "model": "모델",
    "seeds": "시드",
    "parameters": "매개변수",
    "steps": "학습 스텝",
    "target tokens": "목표 토큰",
    "nats/token train": "nats/토큰 학습",
    "val": "검증",
    "test": "평가",
    "exact match": "완전 일치",
    "tokens right": "맞힌 토큰",
    "source words": "원문 단어 수",
    "sentences": "문장 수",
    "GRU, no attention": "GRU, 어텐션 없음",
    "GRU + attention": "GRU + 어텐션",
    "GRU ⇄ + attention": "GRU ⇄ + 어텐션",
    "GRU, mean of states": "GRU, 은닉 상태의 평균",
    "Transformer": "트랜스포머",
    "minutes of training": "학습 시간(분)",
    "on": "장비",
    "epochs": "에포크",
    "together": "합계",
    "metric": "지표",
    "text": "말뭉치",
    "how": "방법",
    "claim": "주장",
    SAYS_COLUMN: "주장의 요지",
    "verdict": "판정",
    "findings that pass": "통과한 검증 항목",
    "fail": "실패",
    "holds": "성립",
    "holds in part": "부분적으로 성립",
    "fails": "성립하지 않음",
    "undecided": "판정 보류",
}
TITLES = {
    "C0": "세 모델의 순서",
    "C1": "병목",
    "C2": "기울기 소실",
    "C3": "HS, H, A, C, Y",
    "C4": "Q, K, V의 출처",
    "C5": "타임 스텝",
    "C6": "장기 의존성",
    "C7": "방향성",
    "C8": "일곱 단계와 √d_k",
}
# What each claim says, after `Claim.says`.
SAYS = {
    "C0": "어텐션은 어텐션이 없는 모델보다, 셀프 어텐션은 어텐션보다 번역을 잘합니다.",
    "C1": "마지막 은닉 상태 하나로는 문장 앞부분의 정보를 잃으며, 모든 은닉 상태를 읽는 어텐션이 이를 해결합니다.",
    "C2": "어텐션을 쓰면 값과 기울기가 타임 스텝을 거치지 않으므로 기울기가 소실되지 않고, 먼 단어도 빨리 배웁니다.",
    "C3": "H와 HS의 유사도 A가 단어의 대응을 알려 주고, C = A·HS를 H와 이어 출력 Y를 만들며, Y가 다음 입력이 됩니다.",
    "C4": "어텐션의 Q는 디코더에서, K와 V는 인코더에서 오고, 셀프 어텐션의 Q, K, V는 모두 같은 임베딩에서 옵니다.",
    "C5": "순환 신경망은 타임 스텝을 차례로 밟아야 하지만, 모든 단어를 한꺼번에 다루는 셀프 어텐션에서는 타임 스텝이 "
    "무의미합니다.",
    "C6": "순환 신경망에서는 어텐션이 있어도 앞의 정보가 반드시 희미해지고, 셀프 어텐션은 그것을 온전히 보존합니다.",
    "C7": "순환 신경망에 얹은 어텐션은 한 방향만 보아 뒤에 올 단어를 쓰지 못하고, 셀프 어텐션은 양쪽을 다 봅니다.",
    "C8": "소프트맥스 전에 점수를 √d_k로 나누어 표준편차를 1로 만들고, V를 곱해 관련 있는 단어만 남깁니다.",
}
SENTENCES = {
    "Sentences translated exactly right, by source length:": "완전히 맞게 번역한 문장의 비율(원문 길이별):",
    "BLEU, by source length:": "BLEU(원문 길이별):",
    "Test set, greedy search; seed ": "평가 데이터, 그리디 탐색. 시드 ",
    "Test set, greedy search; seeds ": "평가 데이터, 그리디 탐색. 시드 ",
    "`nats/token` is teacher-forced, per target token.": "`nats/토큰`은 교사 강요(teacher forcing) 손실입니다.",
    "Translated and scored at commit ": "번역하고 채점한 커밋: ",
    "Profile ": "프로필 ",
    ", commit ": ", 커밋 ",
    " thread(s)": "스레드",
    ": beam ": ": 빔 ",
    "mean ± sd of ": "평균 ± 표준편차, 시드 ",
    " seeds": "개",
    MEANS: "(평균, BLEU는 ± 표준편차)",
    NO_GPU: "이 가운데 GPU에서 학습한 것은 없습니다.",
}


def in_korean(text: str) -> str:
    """Tables and sentences of `pipeline.document_tables` in Korean; what has no Korean here stays as it is."""
    return "\n\n".join(_table(part) if part.startswith("|") else _sentence(part) for part in text.split("\n\n"))


def _table(table: str) -> str:
    header, is_number, rows = table_of(table)
    row_of = _verdict if SAYS_COLUMN in header else _row
    return markdown_table(_row(header), [row_of(row) for row in rows], is_number.count(False))


def _verdict(row: list[str]) -> list[str]:
    """A claim's row: its name and title, what it says, and how it came out."""
    name, _, title = row[0].partition(" ")
    return [f"{name} {TITLES.get(name, title)}", SAYS.get(name, row[1]), *_row(row[2:])]


def _row(row: list[str]) -> list[str]:
    return [_cell(cell) for cell in row]


def _cell(cell: str) -> str:
    text, seed, number = cell.partition(", seed ")  # as of a run whose model has several
    bare = text.strip("*")
    korean = text.replace(bare, CELLS[bare]) if bare in CELLS else _sentence(text)
    return korean + (f", 시드 {number}" if seed else "")


def _sentence(text: str) -> str:
    for english, korean in SENTENCES.items():
        text = text.replace(english, korean)
    return text
