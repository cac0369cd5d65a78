#include "wire/image.h"

#include <png.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <new>

namespace plugfleet {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::array<std::uint8_t, 8> kPngSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

struct CloseJpeg {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Jpeg = std::unique_ptr<void, CloseJpeg>;

struct JpegHeader {
  int width = 0, height = 0, subsampling = 0, colours = 0;
};

bool read_header(tjhandle jpeg, Bytes bytes, JpegHeader& header) {
  return tjDecompressHeader3(jpeg, bytes.data(), bytes.size(), &header.width, &header.height, &header.subsampling,
                             &header.colours) == 0;
}

ImageSize divided(ImageSize size, std::uint32_t factor) {
  return {(size.width + factor - 1) / factor, (size.height + factor - 1) / factor};
}

// The smallest whole number that brings an image of this size to kDecodedPixels.
std::uint32_t shrink_factor(ImageSize size) {
  std::uint32_t factor = 1;
  for (;; ++factor) {
    const auto small = divided(size, factor);
    if (std::uint64_t{small.width} * small.height <= kDecodedPixels) return factor;
  }
}

// Averages boxes of factor x factor pixels, whatever order the pixels come in. Colours weigh by their alpha, so that
// the colour of a transparent pixel is never seen.
class Shrinker {
 public:
  explicit Shrinker(ImageSize from) : factor_(shrink_factor(from)), to_(divided(from, factor_)) {
    const auto cells = std::size_t{to_.width} * to_.height;
    if (factor_ == 1) {
      rgba_.resize(cells * 4);
    } else {
      boxes_.resize(cells);
    }
  }

  // `count` pixels of row y, the first at x, the others `step` to the right of the one before.
  void add(std::uint32_t y, std::uint32_t x, std::uint32_t step, std::uint32_t count, const std::uint8_t* pixel) {
    const auto row = std::size_t{y / factor_} * to_.width;
    if (factor_ == 1) {
      for (; count > 0; --count, x += step, pixel += 4) std::memcpy(&rgba_[(row + x) * 4], pixel, 4);
      return;
    }
    auto* box = &boxes_[row + x / factor_];
    for (auto within = x % factor_; count > 0; --count, within += step, pixel += 4) {
      for (; within >= factor_; within -= factor_) ++box;
      for (int i = 0; i < 3; ++i) box->colour[i] += std::uint32_t{pixel[i]} * pixel[3];
      box->alpha += pixel[3];
      ++box->count;
    }
  }

  Pixels finish(ImageSize source) {
    if (factor_ > 1) {
      rgba_.resize(boxes_.size() * 4);
      auto* out = rgba_.data();
      for (const auto& box : boxes_) {
        const double each = box.alpha ? 1.0 / static_cast<double>(box.alpha) : 0;
        for (const auto colour : box.colour)
          *out++ = static_cast<std::uint8_t>(std::lround(static_cast<double>(colour) * each));
        *out++ = static_cast<std::uint8_t>((box.alpha + box.count / 2) / std::max(box.count, 1U));
      }
    }
    return {source, to_, std::move(rgba_)};
  }

 private:
  struct Box {
    std::array<std::uint64_t, 3> colour{};
    std::uint64_t alpha = 0;
    std::uint32_t count = 0;
  };
  std::uint32_t factor_;
  ImageSize to_;
  std::vector<Box> boxes_;
  std::vector<std::uint8_t> rgba_;
};

// ---- PNG: libpng row by row, because its simplified API would hold the whole image -------------------------------

void png_take(png_structp png, png_bytep out, std::size_t count) {
  auto& rest = *static_cast<Bytes*>(png_get_io_ptr(png));
  if (count > rest.size()) png_error(png, "truncated");
  std::memcpy(out, rest.data(), count);
  rest = rest.subspan(count);
}

[[noreturn]] void png_fail(png_structp png, png_const_charp) { png_longjmp(png, 1); }
void png_quiet(png_structp, png_const_charp) {}

// libpng reports an error by longjmp to here: this frame owns nothing that would need a destructor.
bool read_png(png_structp png, png_infop info, std::vector<std::uint8_t>& row, Shrinker& shrinker) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_info(png, info);
  png_set_expand(png);  // palette, tRNS and depths under 8
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  const auto width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  const int passes = png_get_interlace_type(png, info) == PNG_INTERLACE_ADAM7 ? PNG_INTERLACE_ADAM7_PASSES : 1;
  png_read_update_info(png, info);
  row.resize(std::max<std::size_t>(png_get_rowbytes(png, info), std::size_t{width} * 4));
  // An interlaced image is a row of smaller ones; libpng hands those out as they are when not told to merge them.
  for (int pass = 0; pass < passes; ++pass) {
    const bool whole = passes == 1;
    const std::uint32_t columns = whole ? width : PNG_PASS_COLS(width, pass);
    const std::uint32_t rows = whole ? height : PNG_PASS_ROWS(height, pass);
    if (columns == 0) continue;
    for (std::uint32_t i = 0; i < rows; ++i) {
      png_read_row(png, row.data(), nullptr);
      if (whole) {
        shrinker.add(i, 0, 1, columns, row.data());
      } else {
        shrinker.add(PNG_ROW_FROM_PASS_ROW(i, pass), PNG_PASS_START_COL(pass), 1U << PNG_PASS_COL_SHIFT(pass), columns,
                     row.data());
      }
    }
  }
  png_read_end(png, nullptr);  // so that an image cut off after its last row is found out too
  return true;
}

std::expected<Pixels, ImageError> decode_png(Bytes bytes, ImageSize source) {
  Shrinker shrinker(source);
  std::vector<std::uint8_t> row;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, png_fail, png_quiet);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  bool read = false;
  if (info) {
    png_set_read_fn(png, &bytes, png_take);
    png_set_user_limits(png, source.width, source.height);
    // Chunks that change no pixel are not even unpacked: profiles and compressed text can be bombs of their own.
    static constexpr png_byte kSkipped[] =
        "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kSkipped, sizeof kSkipped / 5);
    read = read_png(png, info, row, shrinker);
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (!read) return std::unexpected(ImageError::corrupt);
  return shrinker.finish(source);
}

// Writing errs in the same way, and nothing of ours is alive in this frame either.
bool write_png(png_structp png, png_infop info, ImageSize size, std::span<const png_color> palette,
               std::span<const std::uint8_t> pixels) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_compression_level(png,
                            3);  // 1024 x 1024 of gradients: 4 to 14 ms, 23 to 129 KB; a half more time for level 6
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
  png_set_IHDR(png, info, size.width, size.height, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  png_write_info(png, info);
  for (std::uint32_t y = 0; y < size.height; ++y) png_write_row(png, &pixels[std::size_t{y} * size.width]);
  png_write_end(png, info);
  return true;
}

void png_give(png_structp png, png_bytep bytes, std::size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(bytes), count);
}

// ---- JPEG: TurboJPEG, which decodes to an eighth, a quarter or a half for less than the whole costs ---------------

std::expected<Pixels, ImageError> decode_jpeg(Bytes bytes, ImageSize source) {
  const Jpeg jpeg(tjInitDecompress());
  JpegHeader header;
  if (!jpeg || !read_header(jpeg.get(), bytes, header)) return std::unexpected(ImageError::corrupt);
  if (header.colours == TJCS_CMYK || header.colours == TJCS_YCCK) return std::unexpected(ImageError::unsupported);
  int eighths = 8;
  while (eighths > 1 && std::uint32_t(16 / eighths) <= shrink_factor(source)) eighths /= 2;
  const tjscalingfactor scale{eighths, 8};
  const int width = TJSCALED(header.width, scale), height = TJSCALED(header.height, scale);
  std::vector<std::uint8_t> rgba(std::size_t(width) * height * 4);
  if (tjDecompress2(jpeg.get(), bytes.data(), bytes.size(), rgba.data(), width, 0, height, TJPF_RGBA,
                    TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
    return std::unexpected(ImageError::corrupt);
  }
  Shrinker shrinker({std::uint32_t(width), std::uint32_t(height)});
  for (int y = 0; y < height; ++y) shrinker.add(y, 0, 1, width, &rgba[std::size_t(y) * width * 4]);
  return shrinker.finish(source);
}

// ---- WebP: libwebp, which scales while it decodes ----------------------------------------------------------------

std::expected<Pixels, ImageError> decode_webp(Bytes bytes, ImageSize source) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(bytes.data(), bytes.size(), &config.input) != VP8_STATUS_OK) {
    return std::unexpected(ImageError::corrupt);
  }
  if (config.input.has_animation) return std::unexpected(ImageError::unsupported);
  Pixels pixels{source, divided(source, shrink_factor(source)), {}};
  pixels.rgba.resize(std::size_t{pixels.size.width} * pixels.size.height * 4);
  config.options.use_scaling = pixels.size != source;
  config.options.scaled_width = int(pixels.size.width);
  config.options.scaled_height = int(pixels.size.height);
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {pixels.rgba.data(), int(pixels.size.width * 4), pixels.rgba.size()};
  if (WebPDecode(bytes.data(), bytes.size(), &config) != VP8_STATUS_OK) return std::unexpected(ImageError::corrupt);
  return pixels;
}

}  // namespace

std::optional<ImageFormat> sniff_image(Bytes head) {
  const auto holds = [head](std::size_t at, std::string_view text) {
    return head.size() >= at + text.size() && std::memcmp(head.data() + at, text.data(), text.size()) == 0;
  };
  // PNG (third edition), section 5.2.
  if (head.size() >= kPngSignature.size() && std::ranges::equal(head.first<8>(), kPngSignature)) {
    return ImageFormat::png;
  }
  if (holds(0, "\xff\xd8\xff")) return ImageFormat::jpeg;              // ITU T.81, B.1.1.3: SOI, then another marker
  if (holds(0, "RIFF") && holds(8, "WEBP")) return ImageFormat::webp;  // RFC 9649, section 2.4
  return std::nullopt;
}

std::string_view media_type(ImageFormat format) {
  switch (format) {
    case ImageFormat::png:
      return "image/png";
    case ImageFormat::jpeg:
      return "image/jpeg";
    case ImageFormat::webp:
      return "image/webp";
  }
  return {};
}

std::optional<ImageSize> image_size(Bytes bytes) {
  const auto format = sniff_image(bytes);
  ImageSize size;
  if (format == ImageFormat::png) {
    // The first chunk is IHDR, and it begins with width and height (PNG, sections 5.6 and 11.2.1).
    if (bytes.size() < 24 || std::memcmp(bytes.data() + 12, "IHDR", 4) != 0) return std::nullopt;
    size = {png_get_uint_32(bytes.data() + 16), png_get_uint_32(bytes.data() + 20)};
  } else if (format == ImageFormat::jpeg) {
    const Jpeg jpeg(tjInitDecompress());
    JpegHeader header;
    if (!jpeg || !read_header(jpeg.get(), bytes, header)) return std::nullopt;
    size = {std::uint32_t(header.width), std::uint32_t(header.height)};
  } else if (format == ImageFormat::webp) {
    int width = 0, height = 0;
    if (!WebPGetInfo(bytes.data(), bytes.size(), &width, &height)) return std::nullopt;
    size = {std::uint32_t(width), std::uint32_t(height)};
  }
  if (size.width == 0 || size.height == 0) return std::nullopt;
  return size;
}

std::string_view describe(ImageError error) {
  switch (error) {
    case ImageError::not_an_image:
      return "is not a PNG, JPEG or WebP image";
    case ImageError::too_large:
      return "is an image of too many pixels";
    case ImageError::corrupt:
      return "is a damaged image";
    case ImageError::unsupported:
      return "is an animated or CMYK image";
  }
  return {};
}

std::expected<Pixels, ImageError> decode_image(Bytes bytes, const ImageLimits& limits) {
  const auto format = sniff_image(bytes);
  if (!format) return std::unexpected(ImageError::not_an_image);
  const auto size = image_size(bytes);
  if (!size) return std::unexpected(ImageError::corrupt);
  if (size->width > limits.side || size->height > limits.side ||
      std::uint64_t{size->width} * size->height > limits.pixels) {
    return std::unexpected(ImageError::too_large);
  }
  switch (*format) {
    case ImageFormat::png:
      return decode_png(bytes, *size);
    case ImageFormat::jpeg:
      return decode_jpeg(bytes, *size);
    case ImageFormat::webp:
      return decode_webp(bytes, *size);
  }
  return std::unexpected(ImageError::not_an_image);
}

std::string encode_png(ImageSize size, std::span<const PaletteColour> palette, std::span<const std::uint8_t> pixels) {
  std::vector<png_color> colours;
  for (const auto& colour : palette) colours.push_back({colour[0], colour[1], colour[2]});
  std::string out;
  out.reserve(pixels.size() + 64 * 1024);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, png_fail, png_quiet);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  bool written = false;
  if (info) {
    png_set_write_fn(png, &out, png_give, nullptr);
    written = write_png(png, info, size, colours, pixels);
  }
  png_destroy_write_struct(&png, &info);
  if (!written) throw std::bad_alloc();  // the one way in which writing to memory fails
  return out;
}

}  // namespace plugfleet
