// The words of the page in both languages; elements name theirs in data-i18n, data-i18n-label, data-i18n-placeholder.

const WORDS = {
  vi: {
    skip: "Đến nội dung chính", collections: "Bộ sưu tập", newCollection: "Tạo bộ sưu tập", language: "Ngôn ngữ",
    theme: "Giao diện sáng hoặc tối", key: "Khoá API", views: "Chế độ xem", search: "Tìm kiếm", ask: "Hỏi", documents: "Tài liệu",
    query: "Nội dung cần tìm", queryHint: "Tìm theo ý nghĩa hoặc từ ngữ…", mode: "Cách tìm", hybrid: "Kết hợp", dense: "Ý nghĩa",
    lexical: "Từ ngữ", grouped: "Mỗi tài liệu một đoạn", field: "trường", operator: "Phép so sánh", value: "giá trị", addFilter: "Lọc",
    more: "Xem thêm", question: "Câu hỏi", questionHint: "Đặt câu hỏi về tài liệu…", sources: "Nguồn", stop: "Dừng",
    drop: "Thả tệp hoặc thư mục vào đây, hoặc nhấn để chọn tệp", dropHint: "PDF, Word, Excel, PowerPoint, OpenDocument, ảnh chụp, thư điện tử, ZIP, HTML, Markdown, văn bản", state: "Trạng thái", allStates: "Mọi trạng thái",
    deleteCollection: "Xoá bộ sưu tập", title: "Tài liệu", passages: "Đoạn", updated: "Cập nhật", actions: "Thao tác", close: "Đóng", cancel: "Huỷ",
    queued: "Đang chờ", processing: "Đang xử lý", ready: "Sẵn sàng", failed: "Lỗi", deleting: "Đang xoá",
    create: "Tạo", remove: "Xoá", save: "Lưu", nameHint: "Ví dụ: Sổ tay nhân viên. Dấu được bỏ và khoảng trắng thành gạch nối: so-tay-nhan-vien.",
    keyRefused: "Máy chủ không nhận khoá này.",
    keyHint: "Khoá được giữ trong thẻ trình duyệt này cho tới khi đóng.", retry: "Thử lại", found: "{n} đoạn · {ms} ms", nothing: "Không tìm thấy gì. Thử từ khác, hoặc bỏ bớt bộ lọc.",
    startSearch: "Gõ để tìm trong “{name}”.", noCollections: "Chưa có bộ sưu tập nào. Tạo một bộ sưu tập rồi thả tệp vào.", noDocuments: "Chưa có tài liệu.",
    answered: "{mode} · {ms} ms", generated: "LLM soạn", extractive: "Trích nguyên văn", unanswered: "Không có câu trả lời", writing: "Đang trả lời…", stopped: "Đã dừng.",
    failedAnswer: "Không trả lời được.", confidence: "Độ tin cậy {percent}%", queryUsed: "Đã tìm: “{query}”", newConversation: "Cuộc trò chuyện mới",
    note_quotation: "Câu trả lời là trích nguyên văn từ tài liệu. Muốn có câu trả lời được soạn, hãy gắn một LLM: phoserve up --llm-url URL --llm-model TÊN",
    note_fallback: "LLM gặp lỗi, nên đây là trích nguyên văn từ tài liệu.", note_partial: "Tài liệu có vẻ không trả lời một phần câu hỏi.", note_incomplete: "LLM dừng giữa chừng: câu trả lời chưa trọn vẹn.",
    helpful: "Hữu ích", unhelpful: "Không hữu ích", thanks: "Đã ghi nhận, cảm ơn bạn.",
    uploaded: "Đã nhận {n} tài liệu.", sureCollection: "Xoá bộ sưu tập “{name}” cùng mọi tài liệu trong đó? Không thể hoàn tác.", sureDocument: "Xoá tài liệu “{name}”? Không thể hoàn tác.",
    access: "Quyền xem", seenBy: "Chỉ nhóm: {groups}", accessHint: "Các nhóm được xem tài liệu, cách nhau bằng dấu phẩy. Để trống: mọi người đọc bộ sưu tập.",
    deleted: "Đã xoá.", offline: "Không kết nối được máy chủ.", healthy: "Máy chủ sẵn sàng", unhealthy: "Máy chủ chưa sẵn sàng", passage: "Mở đoạn {n}",
    place_page: "trang", place_slide: "trang chiếu", place_sheet: "trang tính", place_row: "dòng", place_part: "phần",
    warning_text_repaired: "Đã sửa bảng mã của văn bản", warning_page_without_text: "Trang không có chữ đọc được",
    warning_attachment_skipped: "Bỏ qua tệp đính kèm", warning_hidden_content: "Bỏ qua nội dung ẩn", warning_rows_cut: "Bảng quá dài, đã cắt bớt",
    warning_columns_cut: "Bảng quá rộng, đã cắt bớt", warning_formula_without_value: "Công thức chưa có giá trị", warning_image_skipped: "Bỏ qua hình nhúng",
    warning_not_parsed: "Không đúng định dạng, đã đọc như văn bản thường", warning_pages_cut: "Tài liệu quá dài, bỏ bớt trang", warning_more_warnings: "Còn cảnh báo khác",
    warning_not_as_displayed: "Đọc không hẳn như hiển thị: có thể thiếu số thứ tự hoặc có phần bị ẩn",
    noName: "Tên cần ít nhất một chữ cái hoặc chữ số.", original: "Tải bản gốc", wholeText: "Toàn văn", searchInstead: "Tìm “{query}” trong tài liệu",
    sending: "Đang gửi {done}/{all} tệp…", unchanged: "{n} tệp đã có và không đổi.", refusedFiles: "{n} tệp không gửi được: {names}", replaceTitle: "Tài liệu đã có",
    replaceText: "Đã có tài liệu cùng tên: {names}. Thay bằng bản mới? Bản cũ vẫn tìm được cho tới khi bản mới sẵn sàng.", replace: "Thay bản cũ",
    counts: "{ready} sẵn sàng · {waiting} đang chờ · {failed} lỗi", unknownField: "Không tài liệu nào có trường “{field}”.", fieldTitle: "tiêu đề",
    problem_unauthorized: "Cần khoá API hợp lệ", problem_forbidden: "Khoá này không có quyền làm việc đó", problem_not_found: "Không tìm thấy",
    problem_conflict: "Đang được thay đổi hoặc xoá: hãy thử lại sau", problem_too_large: "Quá lớn: hãy chia nhỏ", problem_unsupported_media_type: "Máy chủ không nhận dữ liệu kiểu này",
    problem_misdirected_request: "Máy chủ không phục vụ địa chỉ này", problem_invalid_input: "Nội dung không hợp lệ", problem_overloaded: "Máy chủ đang quá tải: hãy thử lại sau ít giây",
    problem_unavailable: "Một phần của hệ thống tạm ngừng: hãy thử lại sau", problem_deadline_exceeded: "Quá thời gian chờ: hãy thử lại", problem_internal_server_error: "Lỗi của máy chủ: hãy báo quản trị viên",
    problem_llm_timeout: "LLM trả lời quá lâu", problem_llm_overloaded: "LLM đang quá tải", problem_llm: "LLM gặp lỗi",
    error_empty: "Không có chữ nào trong tài liệu", error_encoding: "Không đọc được bảng mã của văn bản", error_encrypted: "Tài liệu có mật khẩu: hãy bỏ mật khẩu rồi gửi lại",
    error_unreadable: "Tệp bị hỏng hoặc không đúng định dạng", error_unsupported: "Loại tệp này chưa đọc được", error_too_large: "Tài liệu quá lớn: hãy chia nhỏ",
    error_too_complex: "Tài liệu quá phức tạp: hãy chia nhỏ", error_timeout: "Đọc quá lâu: hãy chia nhỏ tài liệu", error_abandoned: "Nhiều lần đọc tài liệu này đều bị ngắt giữa chừng",
    error_dependency: "Hệ thống đang bận, sẽ tự thử lại", error_model_changed: "Mô hình vừa đổi, sẽ tự thử lại", error_stopped: "Bị ngắt khi dừng máy chủ, sẽ tự thử lại",
    error_invalid: "Nội dung không hợp lệ", error_internal: "Lỗi của hệ thống: hãy báo quản trị viên",
  },
  en: {
    skip: "Skip to content", collections: "Collections", newCollection: "New collection", language: "Language",
    theme: "Light or dark", key: "API key", views: "Views", search: "Search", ask: "Ask", documents: "Documents",
    query: "Query", queryHint: "Search by meaning or words…", mode: "Search mode", hybrid: "Hybrid", dense: "Meaning",
    lexical: "Words", grouped: "One passage per document", field: "field", operator: "Comparison", value: "value", addFilter: "Filter",
    more: "Show more", question: "Question", questionHint: "Ask about the documents…", sources: "Sources", stop: "Stop",
    drop: "Drop files or folders here, or press to choose files", dropHint: "PDF, Word, Excel, PowerPoint, OpenDocument, images, mail, ZIP, HTML, Markdown, text", state: "State", allStates: "All states",
    deleteCollection: "Delete collection", title: "Document", passages: "Passages", updated: "Updated", actions: "Actions", close: "Close", cancel: "Cancel",
    queued: "Queued", processing: "Processing", ready: "Ready", failed: "Failed", deleting: "Deleting",
    create: "Create", remove: "Delete", save: "Save", nameHint: "Such as: Staff handbook. Diacritics are removed and blanks become hyphens: staff-handbook.",
    keyRefused: "The server refused this key.",
    keyHint: "The key is kept in this browser tab until you close it.", retry: "Try again", found: "{n} passages · {ms} ms", nothing: "Nothing found. Try other words, or fewer filters.",
    startSearch: "Type to search “{name}”.", noCollections: "No collection yet. Make one, then drop files into it.", noDocuments: "No documents yet.",
    answered: "{mode} · {ms} ms", generated: "Written by an LLM", extractive: "Quoted verbatim", unanswered: "No answer", writing: "Answering…", stopped: "Stopped.",
    failedAnswer: "The question could not be answered.", confidence: "{percent}% confidence", queryUsed: "Searched for “{query}”", newConversation: "New conversation",
    note_quotation: "This answer quotes the documents word for word. To have answers written, attach an LLM: phoserve up --llm-url URL --llm-model NAME",
    note_fallback: "The LLM failed, so this quotes the documents word for word.", note_partial: "The documents do not seem to answer a part of the question.", note_incomplete: "The LLM stopped early: the answer is incomplete.",
    helpful: "Helpful", unhelpful: "Not helpful", thanks: "Noted, thank you.",
    uploaded: "{n} documents taken in.", sureCollection: "Delete the collection “{name}” with all its documents? This cannot be undone.", sureDocument: "Delete the document “{name}”? This cannot be undone.",
    access: "Access", seenBy: "Groups: {groups}", accessHint: "The groups that may see the document, separated by commas. Empty: every reader of the collection.",
    deleted: "Deleted.", offline: "The server cannot be reached.", healthy: "The server is ready", unhealthy: "The server is not ready", passage: "Open passage {n}",
    noName: "The name needs at least one letter or digit.", original: "Download the original", wholeText: "Whole text", searchInstead: "Search the documents for “{query}”",
    sending: "Sending {done} of {all} files…", unchanged: "{n} files are stored already and have not changed.", refusedFiles: "{n} files could not be sent: {names}", replaceTitle: "Stored already",
    replaceText: "There are documents with the same name: {names}. Replace them? Searches find the old ones until the new ones are ready.", replace: "Replace",
    counts: "{ready} ready · {waiting} waiting · {failed} failed", unknownField: "No document has the field “{field}”.", fieldTitle: "title",
    place_page: "page", place_slide: "slide", place_sheet: "sheet", place_row: "row", place_part: "part",
  },
};

export let language = localStorage.getItem("language") ?? (navigator.language.startsWith("en") ? "en" : "vi");

export function t(name, values = {}) {
  return WORDS[language][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

// What the language has for `name`, null for nothing.
export const inLanguage = (name) => WORDS[language][name] ?? null;

// What went wrong, in the page's language first; the server's own sentence has the details.
export function problemText({ code, detail }) {
  const name = inLanguage(`problem_${code}`) ?? (code?.startsWith("llm") ? inLanguage("problem_llm") : null);
  return [name, detail].filter(Boolean).join(" · ");
}

// Where a passage or a warning is: "trang 3", "trang tính Lương, dòng 12".
export function placeText(place) {
  return Object.entries(place ?? {}).map(([kind, value]) => `${inLanguage(`place_${kind}`) ?? kind} ${value}`).join(", ");
}

export function setLanguage(next) {
  language = next;
  localStorage.setItem("language", next);
  translate();
}

export function translate() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-i18n]")) each.textContent = t(each.dataset.i18n);
  for (const each of document.querySelectorAll("[data-i18n-label]")) {
    each.ariaLabel = t(each.dataset.i18nLabel);
    each.title = each.ariaLabel;
  }
  for (const each of document.querySelectorAll("[data-i18n-placeholder]")) each.placeholder = t(each.dataset.i18nPlaceholder);
}
